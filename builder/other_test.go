//go:build !unix

package builder

import (
	"errors"
	"time"
)

// cpu is not known here.
func cpu() time.Duration { return 0 }

func mkfifo(string) error { return errors.ErrUnsupported }
