//go:build !production

package main

import (
	"io/fs"
	"os"
)

var (
	templates = os.DirFS("templates")
	dist      fs.FS // none: the site is compiled while it is written
)
