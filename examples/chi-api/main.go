// Command chi-api is a Go API with a React front end. One command runs both, each as it is edited:
//
//	npm ci --prefix web
//	go tool devserve
//
// devserve.toml says the rest: the site is web/, and this program, built and started anew at every change of it, answers
// what is no file there. Vote, then edit the question below, or a component in web/src.
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

func main() {
	addr := "localhost:" + cmp.Or(os.Getenv("PORT"), "3200")
	log.Fatal(http.ListenAndServe(addr, api()))
}

// A poll is what the front end shows.
type poll struct {
	Question string   `json:"question"`
	Answers  []answer `json:"answers"`
}

type answer struct {
	Text  string `json:"text"`
	Votes int    `json:"votes"`
}

// api is the whole program: GET /api/poll, and POST /api/votes with {"answer": "…"}.
func api() http.Handler {
	var mu sync.Mutex
	today := poll{
		Question: "What is for lunch?",
		Answers:  []answer{{"Soup", 0}, {"Noodles", 0}, {"Whatever is left", 0}},
	}
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	r.Get("/api/poll", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		respond(w, today)
	})
	r.Post("/api/votes", func(w http.ResponseWriter, r *http.Request) {
		var vote struct{ Answer string }
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&vote); err != nil {
			http.Error(w, `want {"answer": "…"}`, http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range today.Answers {
			if today.Answers[i].Text == vote.Answer {
				today.Answers[i].Votes++
				respond(w, today)
				return
			}
		}
		http.Error(w, "there is no such answer", http.StatusNotFound)
	})
	return r
}

func respond(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print(err) // the page has gone
	}
}
