package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/devserve/devserve/internal/leaktest"
	"github.com/devserve/devserve/server"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestPage(t *testing.T) {
	dev, err := server.New(server.Options{Dir: "web"})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	srv := httptest.NewServer(dev.Middleware(pages()))
	defer srv.Close()
	for path, want := range map[string][]string{
		"/":          {"Rendered by Go", "go1.", `<script src="/_devserve/client.js"`},
		"/main.ts":   {"TypeScript says it is", "toLocaleTimeString"},
		"/style.css": {"--accent"},
	} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, resp.Status, err)
		}
		for _, w := range want {
			if !strings.Contains(string(body), w) {
				t.Errorf("%s: no %q in\n%s", path, w, body)
			}
		}
	}
}
