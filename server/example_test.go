package server_test

import (
	"context"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/devserve/devserve/server"
)

// A Go server whose pages are templates gets compiled scripts, and pages that follow every save.
func ExampleServer_Middleware() {
	web, err := os.MkdirTemp("", "web")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(web)
	script := []byte(`const greeting: string = "hello"; document.title = greeting`)
	if err := os.WriteFile(filepath.Join(web, "main.ts"), script, 0o644); err != nil {
		log.Fatal(err)
	}

	dev, err := server.New(server.Options{Dir: web})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- dev.Run(ctx) }()

	page := template.Must(template.New("").Parse(`<!doctype html><title>{{.}}</title><script type="module" src="/main.ts"></script>`))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { page.Execute(w, "Home") })
	handler := dev.Middleware(mux) // for http.ListenAndServe

	for _, path := range []string{"/", "/main.ts"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		body := w.Body.String()
		fmt.Println(path, w.Code, w.Header().Get("Content-Type"))
		fmt.Println("client:", strings.Contains(body, `<script src="/_devserve/client.js"`), "types:", strings.Contains(body, ": string"))
	}
	cancel()
	fmt.Println(<-ended)
	// Output:
	// / 200 text/html; charset=utf-8
	// client: true types: false
	// /main.ts 200 text/javascript; charset=utf-8
	// client: false types: false
	// <nil>
}
