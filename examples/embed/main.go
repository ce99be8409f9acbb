// Command embed is a Go web server with devserve inside: its page is an html/template, the
// page's script is TypeScript. Start it in this folder, open the URL, and edit what is in web/ and templates/:
//
//	go run .
//
// For production it is one file, with the page, the compiled scripts and the style sheets in it, and does nothing but
// answer:
//
//	go run github.com/devserve/devserve build web --entry main.ts --entry style.css
//	go build -tags production .
package main

import (
	"context"
	"flag"
	"html/template"
	"io/fs"
	"log"
	"net/http"
	"runtime"

	"github.com/devserve/devserve/server"
)

func main() {
	addr := flag.String("addr", "localhost:3100", "listen there")
	flag.Parse()
	site, err := server.New(server.Options{
		Dir:        "web",
		Production: dist,
		Watch:      []string{"templates/*.html"}, // an edit shows in the open page, what was typed into it stays
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(site.Run(context.Background())) }()
	log.Printf("http://%s/", *addr)
	log.Fatal(http.ListenAndServe(*addr, site.Middleware(pages(site, templates))))
}

// pages is the application. Of devserve it knows that Tags names the scripts and style sheets of a page.
func pages(site *server.Server, templates fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page, err := template.New("index.html").Funcs(template.FuncMap{"tags": site.Tags}).ParseFS(templates, "index.html")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		page.Execute(w, map[string]string{"Version": runtime.Version(), "OS": runtime.GOOS})
	})
	return mux
}
