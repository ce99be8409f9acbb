package builder

import (
	"math"
	"runtime/debug"
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
// its own pace, or a memory limit, keeps it.

const (
	usualPercent = 100
	burstPercent = 400

	// calm is how long after a burst memory goes back to the system: when the page that asked for the build, and
	// which the same cores have to show, is likely to be there.
	calm = 3 * time.Second
)

var bursts struct {
	sync.Mutex
	running int
	changed bool // by us
	calm    *time.Timer
}

// beginBurst lets the heap grow until the function that it returns is called.
func beginBurst() (end func()) {
	bursts.Lock()
	defer bursts.Unlock()
	bursts.running++
	if bursts.running == 1 && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		before := debug.SetGCPercent(burstPercent)
		bursts.changed = before == usualPercent
		if !bursts.changed {
			debug.SetGCPercent(before)
		}
	}
	if bursts.calm != nil {
		bursts.calm.Stop()
	}
	return endBurst
}

func endBurst() {
	bursts.Lock()
	defer bursts.Unlock()
	bursts.running--
	if bursts.running > 0 || !bursts.changed {
		return
	}
	debug.SetGCPercent(usualPercent)
	bursts.changed = false
	bursts.calm = time.AfterFunc(calm, debug.FreeOSMemory)
}
