//go:build unix

package builder

import (
	"syscall"
	"testing"
	"time"
)

// cpu returns the processor time that this process has used: what esbuild's and our goroutines cost on
// every core, where wall time on a busy machine says little.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds the processor time of an operation to what a benchmark reports. Call it after the loop with cpu() from before it.
func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64((cpu()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}
