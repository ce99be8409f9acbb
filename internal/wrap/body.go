package wrap

import (
	"net/http"
	"time"
)

// bodyTimeout is how long the body of a request may take to come that is not for another server: it is small, and from this machine
// or near it.
const bodyTimeout = 10 * time.Second

// Unread is for requests whose body nobody will read, and may never come. The answer does not wait for it, and
// the connection ends soon after: net/http would read the rest of a body before and after the answer, with no limit of time.
func Unread(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not all writers can
	}
}

// Read takes Unread back: the body has been read.
func Read(w http.ResponseWriter) {
	w.Header().Del("Connection")
	http.NewResponseController(w).SetReadDeadline(time.Time{})
}
