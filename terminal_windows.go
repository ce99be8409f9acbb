package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// escapes makes a console obey escape sequences, and reports whether it does: those before
// Windows Terminal have to be asked, and the oldest cannot.
//
// https://learn.microsoft.com/windows/console/setconsolemode
func escapes(f *os.File) bool {
	h, mode := windows.Handle(f.Fd()), uint32(0)
	return windows.GetConsoleMode(h, &mode) == nil &&
		windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
