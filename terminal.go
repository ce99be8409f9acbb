package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminalWidth returns how many columns the terminal behind w has, and whether it obeys escape
// sequences. The width is 0 if w is no terminal, or one that can only append.
func terminalWidth(w io.Writer) (width int, obeys bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, escapes(f)
}

// coloured decides whether to paint, for a terminal or something else.
//
// https://no-color.org and https://force-color.org
func coloured(terminal bool) bool {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	switch os.Getenv("FORCE_COLOR") {
	case "":
		return terminal
	case "0", "false":
		return false
	}
	return true
}
