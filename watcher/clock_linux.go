package watcher

import (
	"time"

	"golang.org/x/sys/unix"
)

// stamped is what the clock of time stamps shows. It takes the time of the last timer interrupt: mostly one in 4ms, and
// seen to be 8ms behind where another machine runs on the same cores. Time stamps that are finer are never behind it.
func stamped() time.Time {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) != nil {
		return time.Now().Add(-racy)
	}
	return time.Unix(now.Unix())
}

func spent() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &u) // fails for no thread of ours
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
