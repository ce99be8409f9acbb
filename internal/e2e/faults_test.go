package e2e

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
)

// A fault is what goes wrong while files are edited: it begins before that and ends after it.
type fault struct {
	name       string
	begin, end func(*garden) error // nil: nothing to do
}

// faults are those that a test can make on this system.
var faults = []fault{
	{"nothing", nil, nil},
	{"cut", (*garden).cut, nil},
	{"cut later", (*garden).cutLater, (*garden).mourn},
	{"delay", (*garden).delay, (*garden).deliver},
	{"lose", (*garden).delay, (*garden).lose},
	{"down", (*garden).kill, (*garden).start},
	{"stopped", (*garden).quit, (*garden).start},
	{"killed", nil, (*garden).restart},
	{"killed at once", nil, (*garden).crash},
	{"frozen tab", (*garden).freeze, (*garden).thaw},
	{"clocks", (*garden).jump, (*garden).jumpBack},
}

func (g *garden) cut() error      { g.wire.cut(); return nil }
func (g *garden) cutLater() error { g.wire.cutAfter(g.rand.IntN(300_000)); return nil }
func (g *garden) delay() error    { g.wire.delay(); return nil }
func (g *garden) deliver() error  { g.wire.deliver(); return nil }
func (g *garden) kill() error     { g.srv.end(true); return nil }
func (g *garden) quit() error     { g.srv.end(false); return nil }
func (g *garden) start() error    { return g.startServer() }

// lose drops what was delayed.
func (g *garden) lose() error {
	g.wire.cut()
	g.wire.deliver()
	return nil
}

// restart kills the server when the pages have taken the edits in.
func (g *garden) restart() error {
	if err := g.settle(); err != nil {
		return err
	}
	g.srv.end(true)
	return g.startServer()
}

// crash kills the server while the pages take the edits in.
func (g *garden) crash() error {
	g.srv.end(true)
	if err := g.startServer(); err != nil {
		return err
	}
	return g.mourn()
}

// mourn waits for pages that may have been loading when that was interrupted. If the client has come with one, it brings
// the page back. If not, nothing of ours runs in it, as in the browser's own error page: that is the one end that a reader
// must mend, who reloads. All others must mend themselves.
func (g *garden) mourn() error {
	id, err := g.saveLast()
	if err != nil {
		return err
	}
	js := `(() => {
		if (location.protocol === "chrome-error:" || document.readyState === "complete" && !globalThis.__devserve_client) return "lost";
		return ` + cameTo(id) + ` ? "back" : "under way";
	})()`
	for _, b := range g.tabs {
		if err := b.match(js, "^(lost|back)$"); err != nil {
			return err
		}
	}
	g.wire.cutAfter(never)
	for _, b := range g.tabs {
		if b.now(js) != "lost" {
			continue
		}
		g.lost++
		if err := b.visit(g.home); err != nil {
			return err
		}
	}
	return nil
}

func (g *garden) freeze() error { return g.lifecycle(page.SetWebLifecycleStateStateFrozen) }
func (g *garden) thaw() error   { return g.lifecycle(page.SetWebLifecycleStateStateActive) }

func (g *garden) lifecycle(state page.SetWebLifecycleStateState) error {
	return g.tabs[0].do(call(page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state}))
}

// jump sets the clocks of the pages, and has all files saved in the same instant, long ago.
func (g *garden) jump() error {
	g.instant = time.Unix(1e9, 0)
	hours := g.rand.IntN(200) - 100
	for _, b := range g.tabs {
		if err := b.run(fmt.Sprintf("const now = Date.now; Date.now = () => now() + %d * 3600e3", hours)); err != nil {
			return err
		}
	}
	return nil
}

func (g *garden) jumpBack() error {
	g.instant = time.Time{}
	return nil
}

// A wire leads browsers to a server. It can be cut, and what is on it delayed.
type wire struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	left  int           // bytes from the server, until it is cut
	open  chan struct{} // closed while bytes pass
}

func (g *garden) layWire() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w := &wire{listener: l, to: g.srv.addr, conns: map[net.Conn]bool{}, left: never, open: make(chan struct{})}
	close(w.open)
	w.wg.Go(w.accept)
	g.t.Cleanup(func() {
		l.Close()
		w.deliver()
		w.cut()
		w.wg.Wait()
	})
	g.wire, g.home = w, "http://"+l.Addr().String()+"/"
	return nil
}

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.carry(c) })
	}
}

// carry joins c with the server until either ends; where there is no server c ends at once.
func (w *wire) carry(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer s.Close()
	defer w.note(c, s)()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		wg.Go(func() {
			defer c.Close()
			defer s.Close()
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				<-w.opened()
				if way[0] == s && w.spend(n) {
					w.cut()
				}
				if _, bad := way[1].Write(buf[:n]); err != nil || bad != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// note takes connections among those to cut until what it returns is called.
func (w *wire) note(conns ...net.Conn) (forget func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = true
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range conns {
			delete(w.conns, c)
		}
	}
}

func (w *wire) opened() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

const never = -1

// cutAfter has it cut, once, when so many bytes more have come from the server.
func (w *wire) cutAfter(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = bytes
}

// spend says whether these bytes are the last before a cut.
func (w *wire) spend(bytes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == never {
		return false
	}
	w.left = max(w.left-bytes, never)
	return w.left == never
}

func (w *wire) delay() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = make(chan struct{})
}

func (w *wire) deliver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.open:
	default:
		close(w.open)
	}
}

// testFaults is testConvergence with three tabs, a server in a process of its own, and a fault in each round: the edits
// fall into it, and the pages must be right once it is over.
func testFaults(t *testing.T, b *browser) {
	forSeeds(t, 100, func(t *testing.T, seed uint64, edits int) {
		g := newGarden(t, b, seed)
		g.uses.binary = true
		if err := g.startServer(); err != nil {
			t.Fatal(err)
		}
		if err := g.layWire(); err != nil {
			t.Fatal(err)
		}
		g.faulty = true
		g.run(3, edits)
		t.Logf("%d edits, %d pages lost with the server", edits, g.lost)
	})
}
