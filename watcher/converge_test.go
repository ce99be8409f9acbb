package watcher

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/devserve/devserve/internal/leaktest"
)

// TestConverges does what comes to mind to a tree, at random, and lets a reader
// follow as a builder does: it reads a path again when that is reported. When it is
// quiet the reader must have what is on disk.
func TestConverges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lossy bool // some events are lost, and an overflow is reported
	}{{"all events", false}, {"lossy", true}} {
		t.Run(tt.name, func(t *testing.T) {
			for range 5 {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				converge(t, rand.New(rand.NewPCG(seed, 0)), tt.lossy)
			}
		})
	}
}

func converge(t *testing.T, r *rand.Rand, lossy bool) {
	leaktest.Check(t)
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	name := func() string { // few names, so that they meet
		n := root
		for range 1 + r.IntN(3) {
			n = filepath.Join(n, string(rune('a'+r.IntN(3))))
		}
		return n
	}
	act := func() { // most fail now and then, as the names are random
		switch r.IntN(8) {
		case 0, 1, 2:
			os.WriteFile(name(), fmt.Append(nil, r.IntN(5)), 0o644)
		case 3, 4:
			os.MkdirAll(name(), 0o755)
		case 5, 6:
			os.Rename(name(), name())
		case 7:
			os.RemoveAll(name())
		}
	}
	for range 50 {
		act()
	}
	for path := range disk(root) { // older than a tick, they are read ahead while it goes on
		for stat(path).fresh {
			time.Sleep(time.Millisecond)
		}
	}

	w, err := New([]string{root}, Options{MaxWait: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w.leisure = 0
	if lossy {
		w.open = func() (source, error) {
			src, err := openNotify()
			if err != nil {
				return nil, err
			}
			return newLossy(src), nil
		}
	}
	var mu sync.Mutex
	have := disk(root)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- w.Run(ctx, func(b Batch) {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range b.Changes {
				if content, err := os.ReadFile(c.Path); err == nil {
					have[c.Path] = string(content)
				} else {
					delete(have, c.Path)
				}
			}
		})
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-w.Ready()
	for range 300 {
		act()
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		mu.Lock()
		got, want := maps.Clone(have), disk(root)
		mu.Unlock()
		if maps.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("\nthe reader has %q\non disk there is %q", got, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func disk(root string) map[string]string {
	m := map[string]string{}
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if content, err := os.ReadFile(path); err == nil {
				m[path] = string(content)
			}
		}
		return nil
	})
	return m
}

// A lossy source loses every third event and says so a little later.
type lossy struct {
	source
	ev  chan fsnotify.Event
	err chan error
}

func newLossy(src source) *lossy {
	l := &lossy{src, make(chan fsnotify.Event), make(chan error)}
	var forward sync.WaitGroup
	forward.Go(func() {
		for err := range src.errors() {
			l.err <- err
		}
	})
	go func() {
		defer close(l.err)
		defer forward.Wait()
		defer close(l.ev)
		n := 0
		for e := range src.events() {
			if n++; n%3 == 0 {
				l.err <- fsnotify.ErrEventOverflow
				continue
			}
			l.ev <- e
		}
	}()
	return l
}

func (l *lossy) events() <-chan fsnotify.Event { return l.ev }
func (l *lossy) errors() <-chan error          { return l.err }
