//go:build unix

package builder

import (
	"syscall"
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

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }
