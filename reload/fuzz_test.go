package reload

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a page sends: no panic, no 5xx but for what is not set up, and what is handed on is what was promised.
func FuzzCommands(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "[]", `"x"`, "{", "\x00", "{}{}", `{"reason": "x"}`, `{"reason": 1}`, `{"level": "error", "args": ["a", 1, null, {"b": []}]}`,
		`{"level": "error", "args": null}`, `{"level": "\u001b[31m", "args": []}`, `{"level": "log", "args": ["` + strings.Repeat("é", maxLine) + `"]}`,
		`{"level": "log", "args": [[{"a": "` + strings.Repeat("é", maxLine) + `"}]]}`,
		`{"file": "a.ts", "line": 1, "column": 2}`, `{"file": "../a", "line": 9e99}`, `{"file": "-x", "line": "1; rm"}`, `{"FILE": "a", "file": ""}`,
		`{"event": "a", "data": {"b": [1]}}`, `{"event": "a\n\ndata: x", "data": null}`, `{"event": ""}`, strings.Repeat(`{"event":`, 20000), strings.Repeat(" ", maxCommandBody+1),
	} {
		for i := range commandPaths {
			f.Add(uint8(i), body)
		}
	}
	var run *testing.T
	h, err := New(Options{
		OnNotify: func(string) {},
		OnLog: func(level string, args []any) {
			var look func(value any)
			look = func(value any) {
				switch v := value.(type) {
				case string:
					if len(v) > maxLine+len("…") || !utf8.ValidString(v) {
						run.Errorf("%d bytes, valid %v", len(v), utf8.ValidString(v))
					}
				case []any:
					for _, element := range v {
						look(element)
					}
				case map[string]any:
					for _, member := range v {
						look(member)
					}
				}
			}
			look(args)
		},
		OnOpen: func(file string, line, column int) error {
			if file == "" || line < 0 || column < 0 {
				run.Errorf("open %q %d %d", file, line, column)
			}
			return nil
		},
		OnMessage: func(event string, data json.RawMessage) {
			if event == "" || len(data) > 0 && !json.Valid(data) {
				run.Errorf("message %q %q", event, data)
			}
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	defer h.Close()
	h.commands.SetLimit(1e9)
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		run = t
		r := httptest.NewRequest("POST", commandPaths[int(path)%len(commandPaths)], strings.NewReader(body))
		r.Host = "localhost"
		r.Header.Set("Origin", "http://localhost")
		r.Header.Set("X-Devserve-Token", h.token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code == 204:
			if len(body) > maxCommandBody {
				t.Errorf("took %d bytes", len(body))
			}
		case w.Code < 400 || w.Code >= 500:
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}

var commandPaths = []string{"/_devserve/notify", "/_devserve/log", "/_devserve/open", "/_devserve/send", "/_devserve/trace"}
