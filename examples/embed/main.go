// Command embed is a Go web server with devserve inside: its page is an html/template, the
// page's script is TypeScript. Start it in this folder, open the URL, and edit what is in web/:
//
//	go run .
package main

import (
	"context"
	"html/template"
	"log"
	"net/http"
	"runtime"

	"github.com/devserve/devserve/server"
)

const addr = "localhost:3100"

func main() {
	dev, err := server.New(server.Options{Dir: "web"})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(dev.Run(context.Background())) }()
	log.Printf("http://%s/", addr)
	log.Fatal(http.ListenAndServe(addr, dev.Middleware(pages())))
}

// pages is the application. It knows nothing of devserve.
func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page, err := template.ParseFiles("templates/index.html") // anew, so that an edit shows
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		page.Execute(w, map[string]string{"Version": runtime.Version(), "OS": runtime.GOOS})
	})
	return mux
}
