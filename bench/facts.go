package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	devserve "github.com/devserve/devserve/server"
)

// A fact is a figure that does not depend on the size of an app.
type fact struct {
	name  string
	value float64
}

// The facts that goals name.
const (
	firstAnswer = "devserve on an empty site: first answer after its start, ms"
	scriptSize  = "client script, gzipped, bytes"
)

// sizes are those of what is shipped.
func (t tools) sizes() ([]fact, error) {
	info, err := os.Stat(t.devserve)
	if err != nil {
		return nil, err
	}
	script, err := os.ReadFile(filepath.Join(t.bench, "..", "client", "dist", "client.js"))
	if err != nil {
		return nil, err
	}
	var length counter
	z, err := gzip.NewWriterLevel(&length, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(script); err != nil {
		return nil, err
	}
	err = z.Close()
	return []fact{{"binary, stripped, MiB", mib(info.Size())}, {scriptSize, float64(length)}}, err
}

// A counter counts the bytes written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// firstAnswers measures how soon devserve is there when there is nothing to do.
func firstAnswers(ctx context.Context, t tools, starts int) ([]fact, error) {
	dir := filepath.Join(t.work, "empty")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var took []float64
	for range 3 * starts {
		s, err := peers[0].start(ctx, t, &app{dir: dir})
		if err != nil {
			return nil, err
		}
		took = append(took, ms(s.answered.Sub(s.begun)))
		s.stop()
	}
	return []fact{{firstAnswer, median(took)}}, nil
}

// middlewareCost measures, in memory, what a handler's answers cost more behind devserve's middleware.
func middlewareCost() ([]fact, error) {
	site, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(site)
	s, err := devserve.New(devserve.Options{Dir: site})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	request, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		return nil, err
	}
	request.Host = "localhost"
	request.RemoteAddr = "127.0.0.1:1"
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Sec-Fetch-Dest", "document")
	var facts []fact
	for _, page := range []struct {
		name string
		size int
	}{{"10 KB", 10_000}, {"1 MB", 1_000_000}} {
		const start, line = "<!doctype html><html><head><title>Page</title></head><body>", "<p>Lorem ipsum dolor sit amet</p>\n"
		body := []byte(start + strings.Repeat(line, (page.size-len(start))/len(line)))
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Write(body)
		})
		bare, _ := perPage(next, request)
		took, length := perPage(s.Middleware(next), request)
		if length <= len(body) {
			return nil, fmt.Errorf("bench: middleware: a page of %d bytes came with %d", len(body), length)
		}
		facts = append(facts,
			fact{"handler behind the middleware, page of " + page.name + ", µs", took},
			fact{"the same, MB/s", float64(len(body)) / took},
			fact{"the same handler alone, µs", bare})
	}
	return facts, nil
}

// perPage is the µs in which a handler answers the request, and the length of the answer.
func perPage(h http.Handler, r *http.Request) (µs float64, length int) {
	w := &nowhere{header: http.Header{}}
	b := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			clear(w.header)
			w.length = 0
			h.ServeHTTP(w, r)
		}
	})
	return float64(b.T.Nanoseconds()) / 1000 / float64(b.N), int(w.length)
}

// A nowhere takes an answer and counts its bytes.
type nowhere struct {
	header http.Header
	length counter
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(int)             {}
func (w *nowhere) Write(p []byte) (int, error) { return w.length.Write(p) }
