package reload

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// pipes is a listener without a network: descriptors do not limit how many connect.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3000} }

const eventRequest = "GET " + eventsPath + " HTTP/1.1\r\nHost: localhost:3000\r\n\r\n"

// serveHub serves h until the test ends.
func serveHub(t *testing.T, h *Hub, l net.Listener) {
	srv := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		h.Close()
		srv.Close()
		<-served
	})
}

// waitFor polls until ok holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: not after a minute", what)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// Ten thousand streams take at most 32 KiB each, net/http's part among it.
func TestManyStreams(t *testing.T) {
	const n, most = manyStreams, mostPerStream
	h := newHub(t, Options{})
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	serveHub(t, h, l)
	var readers, told sync.WaitGroup
	told.Add(n)
	var conns, ends []net.Conn
	for range n {
		here, there := net.Pipe()
		conns, ends = append(conns, here), append(ends, there)
		readers.Go(func() {
			io.WriteString(here, eventRequest)
			var buf [64]byte
			var tail string
			for seen := false; ; {
				k, err := here.Read(buf[:])
				if err != nil {
					return
				}
				tail += string(buf[:k])
				tail = tail[max(0, len(tail)-len(buf)):]
				if !seen && strings.Contains(tail, `"build":77,`) {
					seen, tail = true, ""
					told.Done()
				}
			}
		})
	}
	before := heap() // the readers' own part
	for _, c := range ends {
		l.conns <- c
	}
	waitFor(t, "all are connected", func() bool { return h.Clients() == n })
	each := (heap() - before) / n
	t.Logf("%d bytes a stream", each)
	if each > most {
		t.Errorf("a stream takes %d bytes, more than %d", each, most)
	}
	publish(t, h, Building{Build: 77})
	told.Wait()
	for _, c := range conns {
		c.Close()
	}
	readers.Wait()
}

// Streams that are dropped leave nothing behind: no subscriber, goroutine, descriptor or memory.
func TestDroppedStreams(t *testing.T) {
	const rounds, width = 20, 100
	h := newHub(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveHub(t, h, l)
	round := func() {
		var conns []net.Conn
		for range width {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			io.WriteString(c, eventRequest)
			if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range conns {
			c.Close()
		}
		waitFor(t, "streams are dropped", func() bool { return h.Clients() == 0 })
	}
	round()
	goroutines, files, memory := runtime.NumGoroutine(), descriptors(), heap()
	for range rounds {
		round()
	}
	waitFor(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+5 })
	waitFor(t, "descriptors are closed", func() bool { return descriptors() <= files+5 })
	if now := heap(); now > memory+1<<20 {
		t.Errorf("%d bytes of memory are left of %d streams", now-memory, rounds*width)
	}
}

// descriptors counts the open ones, where the system shows them.
func descriptors() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}
