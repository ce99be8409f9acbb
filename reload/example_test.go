package reload_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/devserve/devserve/reload"
)

// A server of your own, without a bundler: its pages load the client, and one call
// reloads all of them.
func Example() {
	hub, err := reload.New(reload.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/_devserve/", hub)
	mux.Handle("/", hub.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>Hello</title><h1>Hello</h1>")
	})))
	srv := httptest.NewServer(hub.Guard(mux))
	defer srv.Close()
	defer hub.Close() // first: srv.Close waits for open streams

	res, err := http.Get(srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page) > len("<!doctype html><title>Hello</title><h1>Hello</h1>"))

	_, err = hub.Reload("the data changed")
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}
