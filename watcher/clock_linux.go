package watcher

import (
	"fmt"
	"sync"
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

// exactly are the file systems, by statfs(2), that give a file another time stamp at each write if somebody has looked at the one
// before, however little time is between them: the kernel's multigrain time stamps.
var exactly = map[uint32]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
}

// multigrain reports whether the kernel has them: since 6.13 (Documentation/filesystems/multigrain-ts.rst).
var multigrain = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n == 2 && (major > 6 || major == 6 && minor >= 13)
})

// exact reports whether a file in dir whose time stamps are those that somebody has seen has not been written since.
func exact(dir string) bool {
	var st unix.Statfs_t
	return multigrain() && unix.Statfs(dir, &st) == nil && exactly[uint32(st.Type)]
}
