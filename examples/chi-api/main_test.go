package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAPI(t *testing.T) {
	handler := api()
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/poll", "", 200, `"text":"Noodles","votes":0`},
		{"POST", "/api/votes", `{"answer": "Noodles"}`, 200, `"text":"Noodles","votes":1`},
		{"GET", "/api/poll", "", 200, `"text":"Noodles","votes":1`},
		{"POST", "/api/votes", `{"answer": "Gravel"}`, 404, "no such answer"},
		{"POST", "/api/votes", `Noodles`, 400, "want"},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(test.method, test.path, strings.NewReader(test.body)))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s %s: %d %s", test.method, test.path, test.body, w.Code, w.Body)
		}
	}
}
