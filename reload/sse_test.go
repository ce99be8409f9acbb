package reload

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// A received event is what a browser would hand to a page.
type received struct{ ID, Name, Data string }

// decode reads a stream as the specification says, which is all that encoders may rely on.
// It returns the events, the comments, and the last retry.
//
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
func decode(stream string) (events []received, comments []string, retry string) {
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(stream)
	var id, name string
	var data strings.Builder
	for {
		line, rest, ended := strings.Cut(stream, "\n")
		if !ended {
			return // an unfinished line, and so an unfinished event, is dropped
		}
		stream = rest
		if line == "" {
			if data.Len() > 0 {
				if name == "" {
					name = "message"
				}
				events = append(events, received{id, name, strings.TrimSuffix(data.String(), "\n")})
			}
			name = ""
			data.Reset()
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			comments = append(comments, value)
		case "event":
			name = value
		case "data":
			data.WriteString(value + "\n")
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			retry = value
		}
	}
}

func TestDecode(t *testing.T) { // the decoder, on the specification's own examples
	events, comments, retry := decode("retry: 5\n: test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\ndata\n\ndata\ndata\n\ndata:")
	want := []received{{"1", "message", "first event"}, {"", "message", "second event"}, {"", "message", " third event"}, {"", "message", ""}, {"", "message", "\n"}}
	if len(events) != len(want) {
		t.Fatalf("got %q", events)
	}
	for i := range want {
		if events[i] != want[i] {
			t.Errorf("event %d: got %q, want %q", i, events[i], want[i])
		}
	}
	if len(comments) != 1 || retry != "5" {
		t.Errorf("got comments %q, retry %q", comments, retry)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("src/app.ts", "Expected \";\"", int64(1))
	f.Add("a\nb\r\nid: x\n\nevent: y", "\u2028</script>\x00\xff", int64(-1))
	f.Add(": \ufeff", "data: \r\r", int64(1<<62))
	f.Fuzz(func(t *testing.T, file, text string, build int64) {
		e := Error{Build: build, Source: file, Errors: []Diagnostic{{Text: text, File: file, LineText: text}}}
		data, err := encode(e.whole())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(data, "\r\n<>&") || !utf8.Valid(data) || bytes.Contains(data, []byte("null")) && !strings.Contains(file+text, "null") {
			t.Fatalf("data: %q", data)
		}
		var got []received
		stream := string(event("boot-1", "error", data)) + string(event("boot-2", "built", []byte("{}")))
		got, _, _ = decode(stream)
		if len(got) != 2 || got[0] != (received{"boot-1", "error", string(data)}) || got[1] != (received{"boot-2", "built", "{}"}) {
			t.Fatalf("got %q", got)
		}
	})
}
