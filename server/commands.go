package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/watcher"
)

// commands are the programs and generators that run beside the site. Their files have a watcher of their own, as they
// may lie anywhere and the site's rules of what is ignored are not theirs.
type commands struct {
	group   *command.Group
	watcher *watcher.Watcher // nil if they read nothing that could change
	hold    *hold            // nil if all are generators
	dirs    map[string]string
	first   chan struct{} // closed once all generators have run well, or one has failed

	mu   sync.Mutex
	last map[string]command.State
	news map[string]bool // programs that were ready or failed before: pages may have seen an older one
}

// backendOff is the Options.Backend of a site whose commands serve no pages.
const backendOff = "off"

// commandGrace is how long a command has to end by itself: a signal ends devserve in under two seconds, whatever it runs.
const commandGrace = time.Second

// newCommands prepares o.Commands, before there are upstreams. Where the backend is not named it is the last command
// that is no generator, at a port that is free now and that it is told as PORT unless it is told one.
func (s *Server) newCommands() error {
	if len(s.o.Commands) == 0 {
		if s.o.Backend == backendOff {
			s.o.Backend = ""
		}
		return nil
	}
	// Which commands are generators is for that package to say.
	draft, err := command.New(s.o.Commands, command.Options{})
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	c := &commands{dirs: map[string]string{}, first: make(chan struct{}), last: map[string]command.State{}, news: map[string]bool{}}
	specs := slices.Clone(s.o.Commands)
	var programs []string
	var program *command.Spec // the last
	for i, state := range draft.States() {
		c.last[state.Name] = state
		c.dirs[state.Name] = specs[i].Dir
		if !state.Generator && !state.Watcher {
			programs = append(programs, state.Name)
			program = &specs[i]
		}
	}
	listens := ""
	if program != nil {
		if listens, err = s.give(program); err != nil {
			return fmt.Errorf("server: port for %s: %w", programs[len(programs)-1], err)
		}
	}
	if s.o.Backend == backendOff {
		s.o.Backend = ""
	}
	if program != nil && program.Ready == nil {
		program.Ready = ready(cmp.Or(listens, s.o.Backend, only(s.o.Proxy)))
	}

	o := command.Options{Log: s.o.Log, OnState: func(now command.State) { s.safely("the state of "+now.Name, func() { s.commandState(now) }) }, Output: s.o.OnOutput, OnPanic: s.fell, Grace: commandGrace}
	if len(programs) > 0 {
		c.hold = newHold(programs)
		o.Drain = func(ctx context.Context, _ string) {
			c.hold.drain(ctx)
			s.idle() // or a request may be sent to the old one
		}
	}
	if c.group, err = command.New(specs, o); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	if c.hold != nil {
		c.hold.group = c.group
	}
	c.ended()
	if roots := existing(c.group.Roots()); len(roots) > 0 {
		c.watcher, err = watcher.New(roots, watcher.Options{
			Ignore: []string{"!dist/", "!coverage/", "!build/", "!out/", "!target/"}, // names that packages have
			Poll:   s.o.Poll, Log: s.o.Log, OnError: s.unwatched, OnPanic: s.fell,
		})
	}
	s.commands = c
	return err
}

// inAddress stands in an address of Options.Proxy for the port that the program is told.
const inAddress = "$PORT"

// give gives a program a port if its address is not said otherwise, and makes it the backend unless rules name the port. It
// returns the program's address, "" if that is not known.
func (s *Server) give(program *command.Spec) (string, error) {
	named := slices.ContainsFunc(slices.Collect(maps.Values(s.o.Proxy)), func(a string) bool { return strings.Contains(a, inAddress) })
	if !named && (s.o.Backend != "" || len(s.o.Proxy) > 0) {
		return "", nil
	}
	port := givenPort(*program)
	if port == "" {
		var err error
		if port, err = freePort(); err != nil {
			return "", err
		}
		program.Env = append(slices.Clone(program.Env), "PORT="+port)
	}
	address := "http://localhost:" + port
	if !named {
		s.o.Backend = address
		return address, nil
	}
	s.o.Proxy = maps.Clone(s.o.Proxy)
	for path, address := range s.o.Proxy {
		s.o.Proxy[path] = strings.ReplaceAll(address, inAddress, port)
	}
	return address, nil
}

// portInLine finds the port in a line that begins with PORT=8080, among other variables or alone.
var portInLine = regexp.MustCompile(`^\s*(?:\w+=\S*\s+)*PORT=(\d+)\s`)

// givenPort returns the port that a command is told already, or "".
func givenPort(spec command.Spec) string {
	if m := portInLine.FindStringSubmatch(spec.Line); m != nil {
		return m[1]
	}
	for _, v := range slices.Backward(spec.Env) {
		if port, ok := strings.CutPrefix(v, "PORT="); ok {
			return port
		}
	}
	return ""
}

// only returns the address of the one rule there is.
func only(proxy map[string]string) string {
	for _, address := range proxy {
		if len(proxy) == 1 {
			return address
		}
	}
	return ""
}

// ready is the probe of a program that is to listen at address, or nil if that is not on this machine.
func ready(address string) command.Probe {
	u, err := url.Parse(address)
	if err != nil || !isLoopback(u.Hostname()) {
		return nil
	}
	return command.Dial(net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[string]string{"https": "443"}[u.Scheme], "80")))
}

// freePort returns a port at which nothing listens.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// existing returns for each folder itself or the nearest above it that is there, without those that lie in another.
func existing(dirs []string) []string {
	for i, d := range dirs {
		for info, err := os.Stat(d); (err != nil || !info.IsDir()) && filepath.Dir(d) != d; info, err = os.Stat(d) {
			d = filepath.Dir(d)
		}
		dirs[i] = d
	}
	return outermost(dirs)
}

// run watches and runs the commands until ctx is done and every process has ended. It calls started once changes
// are seen.
func (c *commands) run(ctx context.Context, started func()) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var failed error
	if c.watcher != nil {
		ran := make(chan error, 1)
		wg.Go(func() {
			ran <- c.watcher.Run(ctx, func(b watcher.Batch) {
				changed := make([]string, len(b.Changes))
				for i, ch := range b.Changes {
					changed[i] = ch.Path
				}
				c.group.Changed(changed)
			})
		})
		select {
		case <-c.watcher.Ready():
		case failed = <-ran: // nothing can be watched, or ctx is done
			if failed != nil {
				return failed
			}
		}
	}
	started()
	return c.group.Run(ctx)
}

// ended takes note that the generators may have run for the first time.
func (c *commands) ended() {
	running := false
	for _, s := range c.last {
		if s.Generator && s.Phase == command.Failed {
			running = false // those after it are not run
			break
		}
		running = running || s.Generator && s.Phase != command.Ready
	}
	if running {
		return
	}
	select {
	case <-c.first:
	default:
		close(c.first)
	}
}

// commandState is told what a command is about. What it found wrong is shown until it is ready again, and pages are
// loaded anew once it answers: what they have seen may be another program's. Where templates alone have changed it is
// the same but for what it renders.
func (s *Server) commandState(now command.State) {
	c := s.commands
	c.mu.Lock()
	before := c.last[now.Name]
	c.last[now.Name] = now
	c.ended()
	restarted := now.Phase == command.Ready && !now.Generator && !now.Watcher && !before.Serving && c.news[now.Name]
	c.news[now.Name] = c.news[now.Name] || now.Phase == command.Ready || now.Phase == command.Failed
	c.mu.Unlock()

	var wrong []Diagnostic
	switch now.Phase {
	case command.Failed:
		wrong = c.diagnostics(now)
		s.state.diagnose(now.Name, wrong)
	case command.Ready, command.Stopped:
		s.state.diagnose(now.Name, nil)
	}
	switch {
	case !restarted:
	case onlyTemplates(now.Files):
		s.Refresh(now.Files...)
	default:
		s.hub.Reload(now.Name + " was started again: " + now.Reason)
	}
	if s.o.OnCommand != nil {
		s.o.OnCommand(now, wrong)
	}
}

// diagnostics translates what a command found. Its files are told as seen from the working directory.
func (c *commands) diagnostics(s command.State) []Diagnostic {
	place := func(file string) string {
		if file == "" || filepath.IsAbs(file) {
			return file
		}
		if abs, err := filepath.Abs(filepath.Join(c.dirs[s.Name], filepath.FromSlash(file))); err == nil {
			return fromWorkingDir(abs)
		}
		return file
	}
	var out []Diagnostic
	for _, d := range s.Diagnostics {
		to := Diagnostic{Source: s.Name, Text: d.Text, File: place(d.File), Line: d.Line, Column: d.Column, LineText: d.LineText}
		if strings.Contains(d.Text, "not ready after") {
			to.Notes = append(to.Notes, Note{Text: "Does it listen on the port that the variable PORT says? --backend names another address; with --backend off it need not listen."})
		}
		for _, n := range d.Notes {
			to.Notes = append(to.Notes, Note{Text: n.Text, File: place(n.File), Line: n.Line, Column: n.Column, LineText: n.LineText})
		}
		out = append(out, to)
	}
	if len(out) == 0 {
		out = []Diagnostic{{Source: s.Name, Text: s.Reason}}
	}
	return out
}

// await waits until every generator has run once, so that no page is made without what they make. It gives up after a while.
func (c *commands) await(ctx context.Context) {
	if c == nil {
		return
	}
	select {
	case <-c.first:
		return
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	select {
	case <-c.first:
	case <-ctx.Done():
	}
}

// concerned reports whether what changed in dir is nothing to the site, as far as is known, and the commands' to tell of.
func (c *commands) concerned(r builder.Result, dir string) bool {
	if c == nil || len(r.Files) == 0 || did(r) != "asset" && did(r) != "no change" {
		return false
	}
	return !slices.ContainsFunc(r.Files, func(name string) bool { return !c.group.Reads(filepath.Join(dir, filepath.FromSlash(name))) })
}
