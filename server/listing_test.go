package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestListing(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"z/x.txt": "x", "Docs/x.txt": "x", "b.txt": "12345", "A.txt": "", "c d#?.txt": "x", "x:y": "x", "ü.txt": "x",
		`<img src=x onerror=alert(1)>"'&.txt`: "x",
		".env":                                "SECRET", ".git/x": "x", "key.pem": "x", "a~": "x", "bad\xff.txt": "x", ".well-known/x": "x",
	})
	for name, to := range map[string]string{"link.txt": "b.txt", "out": "..", "dead": "nowhere", "sly.txt": ".env"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(t, Options{Dir: dir})
	resp, body := get(t, s, "/", navigation...)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	var hrefs []string
	for _, m := range regexp.MustCompile(`<a href="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		hrefs = append(hrefs, m[1])
	}
	want := []string{
		"./.well-known/", "./Docs/", "./z/",
		"./%3Cimg%20src=x%20onerror=alert%281%29%3E%22%27&amp;.txt",
		"./A.txt", "./b.txt", "./c%20d%23%3F.txt", "./link.txt", "./x:y", "./%C3%BC.txt",
	}
	if !slices.Equal(hrefs, want) {
		t.Errorf("links\n%q, want\n%q", hrefs, want)
	}
	for _, words := range []string{"&lt;img src=x", "<small>5 B</small>", "<b>Docs/</b>", `data-page="/"`, "prefers-color-scheme"} {
		if !strings.Contains(body, words) {
			t.Errorf("no %q in\n%s", words, body)
		}
	}
	for _, words := range []string{"SECRET", ".env", "key.pem", "<img", dir, `href="../"`, " more."} {
		if strings.Contains(body, words) {
			t.Errorf("%q in\n%s", words, body)
		}
	}

	// Its links lead where they say.
	for _, href := range want {
		target := "/" + strings.ReplaceAll(strings.TrimPrefix(href, "./"), "&amp;", "&")
		if resp, _ := get(t, s, target); resp.StatusCode != 200 {
			t.Errorf("%s: %s", target, resp.Status)
		}
	}
	if _, body := get(t, s, "/z/", curl...); !strings.Contains(body, `<a href="../">`) || !strings.Contains(body, "x.txt") {
		t.Errorf("below: %s", body)
	}
}

func TestListingIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range maxListed + 3 {
		write(t, filepath.Join(dir, fmt.Sprintf("%05d", i)), "")
	}
	_, body := get(t, newServer(t, Options{Dir: dir}), "/")
	if n := strings.Count(body, "<li>"); n != maxListed || !strings.Contains(body, "and 3 more") {
		t.Errorf("%d listed", n)
	}
}

func TestListingReloads(t *testing.T) {
	dir := writeSite(t, map[string]string{"docs/a.txt": "a", "src/b.txt": "b"})
	s := newServer(t, Options{Dir: dir})
	run(t, s)
	next := stream(t, s)
	next(has("built", `"sync":true`))
	if _, body := get(t, s, "/docs/", navigation...); !strings.Contains(body, `data-page="/docs/"`) {
		t.Fatal(body)
	}
	write(t, filepath.Join(dir, "docs", "new.txt"), "x")
	next(has("built", `{"type":"html","path":"/docs/"}`))
}

func TestErrorPage(t *testing.T) {
	s := newServer(t, Options{Dir: writeSite(t, map[string]string{"a.txt": "x"})})
	resp, body := get(t, s, "/%3Cscript%3E/x", navigation...)
	if resp.StatusCode != 404 {
		t.Fatal(resp.Status)
	}
	for _, words := range []string{"404 Not Found", "&lt;script&gt;/x", "There is no such file.", "_devserve/client.js"} {
		if !strings.Contains(body, words) {
			t.Errorf("no %q in\n%s", words, body)
		}
	}
	if strings.Contains(body, "<script>/x") {
		t.Errorf("unescaped:\n%s", body)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234: "1.2 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 999_999: "1.0 MB",
		2_500_000: "2.5 MB", 3_210_000_000: "3.2 GB", 5_000_000_000_000: "5.0 TB", 5_000_000_000_000_000: "5000.0 TB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
