package production

import (
	"os"

	"golang.org/x/sys/unix"
)

// swap exchanges two folders at once. Not every file system can.
func swap(a, b string) error {
	return os.NewSyscallError("renamex_np", unix.RenamexNp(a, b, unix.RENAME_SWAP))
}
