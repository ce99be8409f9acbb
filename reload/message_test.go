package reload

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEncode(t *testing.T) {
	for _, test := range []struct {
		event Event
		want  string
	}{
		{Building{Build: 1}, `{"build":1,"files":[]}`},
		{Built{}, `{"build":0,"hash":"","ms":0,"warnings":[],"updates":[]}`},
		{
			&Built{Build: 2, Hash: "h", MS: 1.5, Updates: []Update{{Type: JS, Path: "/a.js", Code: "<b>&\n"}, {Type: CSS, Path: "/a.css"}}, Reload: &FullReload{"new page"}},
			`{"build":2,"hash":"h","ms":1.5,"warnings":[],"updates":[{"type":"js","path":"/a.js","code":"\u003cb\u003e\u0026\n"},{"type":"css","path":"/a.css"}],"reload":{"reason":"new page"}}`,
		},
		{
			Error{Build: 3, Source: "esbuild", Errors: []Diagnostic{{Text: "bad \xff", File: "a\u2028b.ts", Line: 1, Column: 2, Length: 3, LineText: "x"}}, Sync: true},
			`{"build":3,"source":"esbuild","errors":[{"text":"bad \ufffd","file":"a\u2028b.ts","line":1,"column":2,"length":3,"lineText":"x","notes":[],"source":"esbuild"}],"warnings":[],"sync":true}`,
		},
	} {
		got, err := encode(test.event.whole())
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("%#v:\n got %s\nwant %s", test.event, got, test.want)
		}
	}
}

func TestEncodeLeavesTheCallersEventAlone(t *testing.T) {
	e := Error{Errors: []Diagnostic{{Text: "x"}}}
	e.whole()
	if e.Errors[0].Notes != nil || e.Warnings != nil {
		t.Errorf("got %#v", e)
	}
}

func TestEncodeFails(t *testing.T) {
	h := newHub(t, Options{})
	if id, err := h.Publish(Built{MS: inf}); err == nil || id != "" {
		t.Errorf("got %q, %v", id, err)
	}
	if got := h.ID(); got != "boot-0" {
		t.Errorf("a failed publish used up an ID: %s", got)
	}
}

// The samples are the page's too: client/src tests read them.
func TestSamples(t *testing.T) {
	for file, event := range map[string]any{"building": new(Building), "built": new(Built), "error": new(Error), "sync": new(Built), "mended": new(Built), "sources": new(Error)} {
		sample, err := os.ReadFile("../client/testdata/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(sample))
		d.DisallowUnknownFields()
		if err := d.Decode(event); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		e := event.(Event).whole()
		if file == "sources" { // one event for those of all
			h := newHub(t, Options{})
			for _, d := range event.(*Error).Errors {
				publish(t, h, Error{Build: 8, Source: d.Source, Errors: []Diagnostic{d}})
			}
			e = h.state
		}
		data, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(sample, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", file, data, sample)
		}
	}
}

// However much is wrong, what goes out is bounded, and says that there is more.
func TestErrorsAreBounded(t *testing.T) {
	long := strings.Repeat("é", 5<<20)
	for name, test := range map[string]struct {
		errors []Diagnostic
		says   string
	}{
		"many":       {slices.Repeat([]Diagnostic{{Text: "x"}}, 10_000), "9900 more are not shown"},
		"long":       {[]Diagnostic{{Text: long, LineText: long}}, "bytes more"},
		"long notes": {slices.Repeat([]Diagnostic{{Notes: slices.Repeat([]Note{{Text: long, LineText: long}}, 30)}}, 100), "99 more are not shown"},
	} {
		e := Error{Errors: test.errors, Warnings: test.errors}
		data, err := encode(e.whole())
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 1<<20 || !strings.Contains(string(data), test.says) || strings.Contains(string(data), `\ufffd`) {
			t.Errorf("%s: %d bytes, with %q: %t", name, len(data), test.says, strings.Contains(string(data), test.says))
		}
	}
}
