//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Names and texts of any bytes break neither the event stream nor, as attacked looks, the terminal.
func TestNamesOfAnyBytes(t *testing.T) {
	names := []string{
		"line\nfeed.ts", "data: x\n\nevent: reload\n\n.ts", `"quoted".ts`, "it's.ts", "<img src=x onerror=alert(1)>.ts", "\x1b]0;pwned\a.ts",
		"\u009b31m.ts", "\u202egpj.ts", "\u2028.ts", "invalid\xff.ts", "ü 日本.ts",
	}
	dir := t.TempDir()
	site := filepath.Join(dir, "site")
	if err := os.Mkdir(site, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text := "import './\x1b[31m\u202e\xff\u2028<b>" + name + "'; let \u009b = '"
		if err := os.WriteFile(filepath.Join(site, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	host := attacked(t, dir, site)
	module := http.Header{"Sec-Fetch-Dest": {"script"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}}
	for _, name := range names {
		want := http.StatusOK
		if !utf8.ValidString(name) {
			want = http.StatusNotFound
		}
		if _, status, err := fetch("GET", "http://"+host+"/"+url.PathEscape(name), module); err != nil || status != want {
			t.Errorf("%q: %d %v", name, status, err)
		}
	}
	stream, _, err := fetch("GET", "http://"+host+"/_devserve/events?poll", http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	var told struct {
		Errors []struct{ File string }
	}
	_, stream, _ = strings.Cut(stream, "\r\n\n") // fetch has the headers first
	for line := range strings.Lines(stream) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		switch field {
		case "", "id", "event", "retry":
		case "data":
			if err := json.Unmarshal([]byte(value), &told); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		default:
			t.Errorf("a line of the stream is %q", line)
		}
	}
	if len(told.Errors) == 0 {
		t.Errorf("no errors in %q", stream)
	}
	if page, _, err := fetch("GET", "http://"+host+"/", http.Header{"Accept": {"text/html"}}); err != nil || strings.Contains(page, "<img src=x") {
		t.Errorf("the listing has a name as HTML: %v, %s", err, page)
	}
}

// Pages of any encoding are sent as they are, but for the script.
func TestPagesOfAnyEncoding(t *testing.T) {
	pages := map[string][]byte{
		"latin-1.html":   []byte("<!doctype html><meta charset=iso-8859-1><title>\xe4\xf6\xfc</title><p>\xdf"),
		"shift-jis.html": []byte("<!doctype html><meta charset=shift_jis><title>\x83\x5c\x95\x5c</title><p>\x94\x5c <\x83\x5c>"),
		"utf-16le.html":  []byte("\xff\xfe<\x00!\x00d\x00o\x00c\x00t\x00y\x00p\x00e\x00 \x00h\x00t\x00m\x00l\x00>\x00<\x00p\x00>\x00\xfc\x00"),
		"utf-16be.html":  []byte("\xfe\xff\x00<\x00!\x00d\x00o\x00c\x00t\x00y\x00p\x00e\x00 \x00h\x00t\x00m\x00l\x00>\x00<\x00p\x00>\x00\xfc"),
		"invalid.html":   []byte("<!doctype html><title>\xff\xfe\x00\xc3\x28</title><p>\xed\xa0\x80"),
	}
	dir := t.TempDir()
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	host := attacked(t, dir, dir)
	script := regexp.MustCompile(`<script src="/_devserve/client\.js"[^>]*></script>\n?`)
	for name, want := range pages {
		got, _, err := fetch("GET", "http://"+host+"/"+name, http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"none"}})
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ = strings.Cut(got, "\r\n\n")
		if got := script.ReplaceAll([]byte(got), nil); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%q, want\n%q", name, got, want)
		}
		if injected := script.MatchString(got); injected == strings.HasPrefix(name, "utf-16") {
			t.Errorf("%s: injected %v", name, injected)
		}
	}
}
