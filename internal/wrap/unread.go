package wrap

import "net/http"

// Unread has the answer to r not wait for a body that nobody will read, and that may never come: the connection ends with
// the answer. net/http would read the body first, with no limit of time. Who reads it after all takes the header Connection back.
func Unread(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}
