package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// editorEnv are the environment variables that name an editor, the first that is set wins. LAUNCH_EDITOR is what other dev
// servers read.
var editorEnv = []string{"DEVSERVE_EDITOR", "LAUNCH_EDITOR", "VISUAL", "EDITOR"}

// openAtOnce is how many editors may be starting at a time.
const openAtOnce = 8

// editors opens files in the developer's editor. It is safe for concurrent use.
type editors struct {
	starting chan struct{}
	out      *console
}

func newEditors(out *console) *editors {
	return &editors{make(chan struct{}, openAtOnce), out}
}

// open opens file, an absolute path, so that it cannot be taken for a flag. Line and column count from 1; 0 is unknown. No
// shell sees any of it. It does not wait for the editor to end.
func (e *editors) open(file string, line, column int) error {
	command := editor(os.Getenv)
	if len(command) == 0 {
		return fmt.Errorf("no editor: set %s to its command, as code or zed", editorEnv[0])
	}
	args, err := editorArgs(command, file, line, column)
	if err != nil {
		return err
	}
	select {
	case e.starting <- struct{}{}:
	default:
		return fmt.Errorf("%d editors are starting already", openAtOnce)
	}
	cmd := exec.Command(args[0], args[1:]...)
	if err := batchFile(cmd.Path, file); err != nil {
		<-e.starting
		return err
	}
	detach(cmd)
	if err := cmd.Start(); err != nil {
		<-e.starting
		return fmt.Errorf("cannot start %s: %w", args[0], errors.Unwrap(err))
	}
	go func() { // until the editor's command ends, or we do
		defer func() { <-e.starting }()
		if err := cmd.Wait(); err != nil {
			e.out.tell(note{fmt.Sprintf("%s ended badly: %v", args[0], err)})
		}
	}()
	return nil
}

// batchFile returns an error if program is a batch file of Windows, as code.cmd is, and file has a name that would be more than
// a name to it: cmd.exe runs batch files, and reads their arguments as a line of its own language, quoted or not.
func batchFile(program, file string) error {
	ext := strings.ToLower(filepath.Ext(program))
	if ext != ".cmd" && ext != ".bat" || !strings.ContainsAny(file, "&|<>^%!\"\r\n") {
		return nil
	}
	return fmt.Errorf("%s is a batch file, which Windows does not start safely with this file's name: set %s to the editor's .exe", filepath.Base(program), editorEnv[0])
}

// editor returns the command that the environment names, and its own arguments.
func editor(getenv func(string) string) []string {
	for _, name := range editorEnv {
		if words := strings.Fields(getenv(name)); len(words) > 0 {
			return words
		}
	}
	return nil
}

// editorArgs is the command that opens file at a place, as the editors want to be told.
func editorArgs(command []string, file string, line, column int) ([]string, error) {
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(command[0])), ".exe")
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".cmd"), "64")
	at := fmt.Sprintf("%s:%d:%d", file, max(line, 1), max(column, 1))
	is := func(names ...string) bool { return slices.Contains(names, name) }
	var place []string
	switch {
	case is("vi", "vim", "nvim", "nano", "pico", "ed", "joe", "hx", "helix", "micro", "kak"):
		return nil, fmt.Errorf("%s needs a terminal of its own: set %s to an editor with a window", name, editorEnv[0])
	case line == 0:
		place = []string{file}
	case is("code", "code-insiders", "codium", "vscodium", "cursor", "windsurf", "trae"):
		place = []string{"--goto", at}
	case is("zed", "zeditor", "subl", "sublime_text", "lapce"):
		place = []string{at}
	case is("idea", "webstorm", "goland", "phpstorm", "pycharm", "rubymine", "rider", "clion", "fleet"):
		place = []string{"--line", fmt.Sprint(line), "--column", fmt.Sprint(max(column, 1)), file}
	case is("emacs", "emacsclient", "gvim", "mvim", "kate", "gedit"):
		place = []string{fmt.Sprintf("+%d", line), file}
	default:
		place = []string{file}
	}
	return slices.Concat(command, place), nil
}
