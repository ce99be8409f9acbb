// Command templ is a guest book whose pages are templ's. It is here for its tests, in a module of its own so that
// devserve's does not name templ.
package main

import (
	"log"
	"net/http"
	"os"
	"slices"
	"sync"

	"github.com/a-h/templ"
)

func main() {
	log.Fatal(http.ListenAndServe("localhost:"+os.Getenv("PORT"), new(book).handler()))
}

// A book has the names of guests.
type book struct {
	arriving chan string // shown one by one, as they come

	mu    sync.Mutex
	names []string
}

func (b *book) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.show)
	mux.HandleFunc("POST /{$}", b.sign)
	mux.Handle("GET /arrivals", templ.Handler(arrivals(b.arriving), templ.WithStreaming()))
	return mux
}

func (b *book) show(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	names := slices.Clone(b.names)
	b.mu.Unlock()
	templ.Handler(list(names)).ServeHTTP(w, r)
}

func (b *book) sign(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.names = append(b.names, r.FormValue("name"))
	b.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
