// Package wrap is the ground of every ResponseWriter of ours that stands before another one.
package wrap

import (
	"bufio"
	"net"
	"net/http"
)

// Writer passes all on to the writer in it, what handlers look for by a type assertion too. It is for embedding;
// who looks at the body adds Write, WriteString and ReadFrom.
type Writer struct{ http.ResponseWriter }

// Unwrap is for [http.ResponseController].
func (w Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is [http.Flusher]'s.
func (w Writer) Flush() { w.FlushError() }

// FlushError is Flush, and says whether it worked.
func (w Writer) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack hands the connection over.
func (w Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// CloseNotify is for gin, whose Context.Stream takes it for granted. Where there is none it never tells.
func (w Writer) CloseNotify() <-chan bool {
	for below := w.ResponseWriter; ; {
		switch t := below.(type) {
		case interface{ CloseNotify() <-chan bool }: // http.CloseNotifier, which is deprecated
			return t.CloseNotify()
		case interface{ Unwrap() http.ResponseWriter }:
			below = t.Unwrap()
		default:
			return nil
		}
	}
}
