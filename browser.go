package main

import (
	"fmt"
	"os/exec"
	"runtime"
)

// openBrowser shows url in the person's browser. That it cannot is worth a note, no more.
func openBrowser(url string, out *console) {
	name, args := opener(runtime.GOOS)
	cmd := exec.Command(name, append(args, url)...)
	detach(cmd)
	if err := cmd.Run(); err != nil {
		out.tell(note{fmt.Sprintf("--open: no browser could be started (%v): open %s yourself", err, url)})
	}
}

// opener is the program of an operating system that opens a URL by whatever is meant for it.
func opener(goos string) (name string, args []string) {
	switch goos {
	case "darwin":
		return "open", nil
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}
