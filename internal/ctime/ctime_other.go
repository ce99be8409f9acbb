//go:build !linux && !darwin

package ctime

import (
	"io/fs"
	"time"
)

func of(info fs.FileInfo) time.Time { return info.ModTime() }
