package builder

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

const waste = 64 << 20

// wasted leaves waste bytes of the heap without use, and nobody who is about to give them back.
func wasted(t *testing.T) {
	bursts.Lock()
	if bursts.calm != nil {
		bursts.calm.Stop()
	}
	bursts.Unlock()
	setHeld(0)
	debug.FreeOSMemory()
	kept := make([][]byte, waste>>20)
	for i := range kept {
		kept[i] = make([]byte, 1<<20)
	}
	if heapHeld() < waste {
		t.Fatal("nothing to give back")
	}
	runtime.KeepAlive(kept)
}

// setHeld waits for what is being given back.
func setHeld(n uint64) {
	bursts.giving.Lock()
	defer bursts.giving.Unlock()
	bursts.held = n
}

// TestMemoryGoesBack makes no more than one build, and none after it.
func TestMemoryGoesBack(t *testing.T) {
	s := newSite(t, &txtar.Archive{Files: []txtar.File{{Name: "main.js", Data: []byte("1\n")}}}, Options{})
	if err := s.step("get main.js"); err != nil {
		t.Fatal(err)
	}
	wasted(t)
	if err := s.step("write main.js 2"); err != nil {
		t.Fatal(err)
	}
	if !bursts.calm.Reset(0) { // which need not be waited for
		t.Fatal("nothing will go back")
	}
	for end := time.Now().Add(20 * time.Second); heapHeld() > waste; {
		if time.Now().After(end) {
			t.Fatalf("%d MiB are held yet", heapHeld()>>20)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestOwnPace is of a program that says by itself when memory is collected.
func TestOwnPace(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(150))
	wasted(t)
	if giveBack(); heapHeld() < waste {
		t.Error("it went back")
	}
	debug.SetGCPercent(usualPercent)
	if giveBack(); heapHeld() > waste {
		t.Error("it did not go back")
	}
	wasted(t)
	setHeld(heapHeld())
	if giveBack(); heapHeld() < waste {
		t.Error("it went back, though it is as much as before")
	}
}
