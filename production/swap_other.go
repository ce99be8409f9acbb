//go:build !linux && !darwin

package production

import "errors"

// swap would exchange two folders at once.
func swap(string, string) error { return errors.ErrUnsupported }
