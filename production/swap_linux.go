package production

import (
	"os"

	"golang.org/x/sys/unix"
)

// swap exchanges two folders at once. Not every file system can.
func swap(a, b string) error {
	return os.NewSyscallError("renameat2", unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
}
