package builder

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// The first build of a site allocates much and keeps little: esbuild's syntax trees are gone with the wave that they
// belong to. At Go's usual pace the collector walks all that is kept whenever the heap has doubled, and its idle
// workers take the cores that the next wave could have. So in a burst the heap may grow to five times what is kept
// (measured at 1,000 and 5,000 modules of 40 lines: CPU -25 %, time -18 %; twice and three times bring less, nine times no
// more). Once it is calm again, what is not needed goes back to the system.
//
// The pace is that of the whole process, so the bursts of several builders share one change of it. A program that has set
// its own pace, or a memory limit, keeps it, and its memory.

const (
	usualPercent = 100
	burstPercent = 400

	// calm is how long after a build memory goes back to the system: when the page that asked for it, and
	// which the same cores have to show, is likely to be there, and nobody saves file after file.
	calm = 3 * time.Second

	// slack is how many bytes the heap may grow before memory goes back again, beside a quarter of what it was then.
	slack = 4 << 20
)

var bursts struct {
	sync.Mutex
	running int
	changed bool // by us
	calm    *time.Timer

	giving sync.Mutex // one giveBack at a time; guards what follows
	held   uint64     // by the heap when memory had gone back to the system, in bytes
}

// beginBurst lets the heap grow until the function that it returns is called.
func beginBurst() (end func()) {
	bursts.Lock()
	defer bursts.Unlock()
	bursts.running++
	if bursts.running == 1 && usualPace() {
		debug.SetGCPercent(burstPercent)
		bursts.changed = true
	}
	if bursts.calm != nil {
		bursts.calm.Stop()
	}
	return endBurst
}

func endBurst() {
	bursts.Lock()
	bursts.running--
	if bursts.running == 0 && bursts.changed {
		debug.SetGCPercent(usualPercent)
		bursts.changed = false
	}
	bursts.Unlock()
	beginCalm()
}

// beginCalm is called when a build has ended. Go's collector lets the heap grow to twice what is in use, and edits fill that
// with what they leave behind; if no build follows it goes back to the system.
func beginCalm() {
	bursts.Lock()
	defer bursts.Unlock()
	switch {
	case bursts.running > 0:
	case bursts.calm == nil:
		bursts.calm = time.AfterFunc(calm, giveBack)
	default:
		bursts.calm.Reset(calm)
	}
}

func giveBack() {
	bursts.giving.Lock()
	defer bursts.giving.Unlock()
	if usualPace() && heapHeld() > bursts.held+bursts.held/4+slack {
		debug.FreeOSMemory()
		bursts.held = heapHeld()
	}
}

// usualPace reports whether nobody has told the collector when to run.
func usualPace() bool {
	values := measured("/gc/gogc:percent", "/gc/gomemlimit:bytes")
	return values[0] == usualPercent && values[1] == math.MaxInt64
}

// heapHeld is how many bytes of memory the heap takes, in use or not.
func heapHeld() (n uint64) {
	for _, v := range measured("/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes") {
		n += v
	}
	return n
}

// measured returns values of the runtime that are counted in uint64.
func measured(names ...string) []uint64 {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	values := make([]uint64, len(names))
	for i, s := range samples {
		values[i] = s.Value.Uint64()
	}
	return values
}
