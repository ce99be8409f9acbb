package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/reload"
)

// A fanout is an event to a number of streams, by reload.Hub and by the least that net/http needs for it.
type fanout struct {
	streams   int
	hub, bare delivery
}

// A delivery is when the last stream had the event, in ms after it was published, and the KiB of memory that a stream costs.
type delivery struct{ last, memory float64 }

// fanOut measures both, each in a process of its own.
func fanOut(ctx context.Context, streams, events int) (f fanout, err error) {
	f.streams = streams
	if f.hub, err = deliver(ctx, "hub", streams, events); err == nil {
		f.bare, err = deliver(ctx, "bare", streams, events)
	}
	return f, err
}

func deliver(ctx context.Context, kind string, streams, events int) (d delivery, err error) {
	self, err := os.Executable()
	if err != nil {
		return d, err
	}
	cmd := exec.CommandContext(ctx, self, "-stream", kind)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return d, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return d, err
	}
	if err := cmd.Start(); err != nil {
		return d, err
	}
	defer cmd.Wait()
	defer stdin.Close() // ends it
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return d, err
	}
	addr = strings.TrimSpace(addr)
	before, err := usageOf(cmd.Process.Pid)
	if err != nil {
		return d, err
	}
	var all sync.WaitGroup
	defer all.Wait()
	arrived := make(chan time.Time, streams)
	for range streams {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return d, fmt.Errorf("bench: stream: %w", err)
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "GET /_devserve/events HTTP/1.1\r\nHost: %s\r\n\r\n", addr); err != nil {
			return d, err
		}
		up := make(chan error, 1)
		all.Go(func() { readStream(c, up, arrived) })
		if err := <-up; err != nil {
			return d, err
		}
	}
	var last []float64
	for n := range events + 1 {
		if n == 1 { // the first one warms up: stacks and buffers have their size
			after, err := usageOf(cmd.Process.Pid)
			if err != nil {
				return d, err
			}
			d.memory = float64(after.rss-before.rss) / 1024 / float64(streams)
		}
		begun := time.Now()
		response, err := http.Post("http://"+addr+"/publish", "text/plain", nil)
		if err != nil {
			return d, err
		}
		response.Body.Close()
		var at time.Time
		timeout := time.After(patience)
		for range streams {
			select {
			case at = <-arrived:
			case <-timeout:
				return d, errors.New("bench: an event did not reach all streams")
			}
		}
		if n > 0 {
			last = append(last, ms(at.Sub(begun)))
		}
	}
	d.last = median(last)
	return d, nil
}

// marker ends every event that is measured.
const marker = "@end@"

// readStream tells that the stream is up, and the time of each event. It uses little memory, for there are 10,000 of it.
func readStream(c net.Conn, up chan<- error, arrived chan<- time.Time) {
	buffer := make([]byte, 4096)
	n, err := c.Read(buffer) // the answer's head, which is sent when the stream is open
	if err == nil && !bytes.HasPrefix(buffer[:n], []byte("HTTP/1.1 200 ")) {
		err = fmt.Errorf("bench: stream refused: %q", buffer[:n])
	}
	up <- err
	for err == nil {
		if n, err = c.Read(buffer); bytes.Contains(buffer[:n], []byte(marker)) {
			arrived <- time.Now()
		}
	}
}

// payload is as long as the hot update of a component.
var payload = strings.Repeat("exports.answer = 42;", 100) + marker

// serveStreams is the process with the streams: it prints its address and ends with its input.
func serveStreams(kind string) error {
	mux := http.NewServeMux()
	switch kind {
	case "hub":
		hub, err := reload.New(reload.Options{Heartbeat: 5 * time.Second})
		if err != nil {
			return err
		}
		mux.Handle("/", hub)
		mux.HandleFunc("POST /publish", func(http.ResponseWriter, *http.Request) {
			hub.Publish(reload.Custom{Event: "bench", Data: payload})
		})
	case "bare":
		b := &bare{streams: map[chan string]bool{}}
		mux.Handle("/", b)
		mux.HandleFunc("POST /publish", func(http.ResponseWriter, *http.Request) { b.publish("data: " + payload + "\n\n") })
	default:
		return fmt.Errorf("bench: no such stream: %q", kind)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, mux)
}

// A bare is an event stream with nothing that one needs beside the bytes.
type bare struct {
	mu      sync.Mutex
	streams map[chan string]bool
}

func (b *bare) publish(event string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.streams {
		s <- event
	}
}

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	events := make(chan string, 64)
	b.mu.Lock()
	b.streams[events] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.streams, events)
		b.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	c.Flush()
	for {
		select {
		case e := <-events:
			io.WriteString(w, e)
			c.Flush()
		case <-r.Context().Done():
			return
		}
	}
}
