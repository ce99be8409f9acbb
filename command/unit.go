package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	settled  = 250 * time.Millisecond // that a program without a Probe must live to be ready
	doubted  = 3 * time.Second        // the same when something else has answered before it was started
	readyIn  = 30 * time.Second       // default of Spec.ReadyTimeout
	cancelIn = time.Second            // that a build has to clean up after itself when it is not wanted any more

	// After a crash a program is started again, at first at once, as it seems to those who use it.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
	sound      = 10 * time.Second // that it must have lived for its earlier deaths to be forgotten

	// A command that is wanted as soon as it has run, and that often in a row, seems to cause that itself. From then on
	// it waits, at most for slow: a person who does save that often will not have to wait for long.
	quickRuns = 5
	slow      = 2 * time.Second

	// quiet is what a generator waits before the run that is to read what was saved while it wrote the same file.
	quiet = 500 * time.Millisecond
)

// A unit is one command. It has a step, which runs to its end, and a program, which goes on; a generator has only the
// first, most programs only the second.
//
//	due ──▶ Waiting ─────▶ Building ──────────▶ Starting ──────▶ Ready ──▶ due
//	         a generator    the step; the old    the old program   │
//	         before it is   program goes on      ends, the new     │
//	         not good         │                  begins            │
//	                          ▼                    │ dies          │ dies
//	                        Failed ◀───────────────┴───────────────┘
//	                          └──▶ a death: started again after a while, and Failed until it is Ready
type unit struct {
	g     *Group
	index int
	spec  Spec
	line  line
	build line // of Spec.Build
	goRun bool // it is a go run that is taken apart
	env   []string
	watch watch
	find  finder
	queue *queue
	work  chan struct{} // holds one token when it may be time to begin

	// Guarded by Group.mu.
	state  State
	wanted bool // it is to be built and started
	held   bool // wanted, but put off as it seems to cause that itself
	reason string
	files  map[string]bool
	since  time.Time
	uncut  bool // its step runs and is not to be cut short: what changes goes into during; written by run
	during map[string]bool

	// Of run alone.
	now     State // what was told last
	temp    string
	step    *process
	program *process
	built   invocation      // the program that step makes, of go run
	running invocation      // the program that was made last, of go run
	broken  []Diagnostic    // of the last step, if it failed
	probed  chan error      // what became of waiting for the program to be ready
	unprobe func()          // ends that waiting
	retry   *time.Timer     // until the program is started again after its death
	deaths  int             // in a row
	later   *time.Timer     // until hold
	hold    time.Time       // before which it is not to begin what is wanted; zero if there is nothing against it
	late    *time.Timer     // until a generator should have ended
	last    time.Time       // when its generator ended, or its program began
	quickly int             // how often in a row it was wanted as soon as that
	writes  map[string]bool // what a generator reads, but writes in each run
	suspect map[string]bool // what changed during its last run and may be of that kind
}

func newUnit(g *Group, index int, s Spec) (*unit, error) {
	l, err := newLine(s.Line, s.Args)
	if err != nil {
		return nil, err
	}
	u := &unit{
		g: g, index: index, line: l, queue: newQueue(), work: make(chan struct{}, 1),
		files: map[string]bool{}, during: map[string]bool{},
		writes: map[string]bool{}, suspect: map[string]bool{},
		probed: make(chan error), unprobe: func() {},
	}
	if s.Name == "" {
		s.Name = l.text
	}
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return nil, fmt.Errorf("command: %s: folder %q: %w", s.Name, s.Dir, err)
	}
	if info, err := os.Stat(s.Dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("command: %s: no folder %q", s.Name, s.Dir)
	}
	if s.ReadyTimeout < 0 {
		return nil, fmt.Errorf("command: %s: negative ReadyTimeout %v", s.Name, s.ReadyTimeout)
	}
	if s.ReadyTimeout == 0 {
		s.ReadyTimeout = readyIn
	}
	words := l.words()
	globs, is := l.known()
	s.Generator = s.Generator || is == generator
	isGo := s.Watch == nil && slices.Contains(globs, goFiles[0])
	if s.Watch == nil {
		s.Watch = globs
	}
	if out := written(words); out != "" {
		s.Ignore = append(slices.Clone(s.Ignore), filepath.Join(s.Dir, out))
	}
	if u.watch, err = newWatch(s.Dir, s.Watch, s.Ignore); err != nil {
		return nil, err
	}
	u.watch.isGo = isGo
	if s.Build != "" && !s.Generator {
		if u.build, err = newLine(s.Build, nil); err != nil {
			return nil, err
		}
	} else if run, ok := parseGoRun(words); ok && !s.Generator && !strings.Contains(run.packages[0], "@") {
		u.goRun = true
	}
	u.env = append(os.Environ(), s.Env...)
	u.spec, u.find = s, newFinder(s.Dir)
	u.now = State{Name: s.Name, Generator: s.Generator, Watcher: is == watcher && !s.Generator, Reason: "start"}
	u.state = u.now
	return u, nil
}

// due has the unit begun anew; g.mu is held.
func (u *unit) due(reason string, files []string) {
	if !u.wanted {
		u.wanted, u.since = true, time.Now()
		clear(u.files)
	}
	u.reason = reason
	for _, f := range files {
		u.files[f] = true
	}
	if len(files) > 0 {
		u.reason = changed(sorted(u.files))
	}
	u.nudge()
	u.nudgeAfter() // what they build may be old news
	u.g.tell()
}

func (u *unit) nudge() {
	select {
	case u.work <- struct{}{}:
	default:
	}
}

// nudgeAfter has those look whether it is time for them that come after a generator.
func (u *unit) nudgeAfter() {
	if u.spec.Generator {
		for _, after := range u.g.units[u.index+1:] {
			after.nudge()
		}
	}
}

// good reports whether a generator has ended well and nothing calls for another run; g.mu is held.
func (u *unit) good() bool { return u.state.Phase == Ready && (!u.wanted || u.held) && !u.uncut }

// pending reports whether the unit is on its way to be ready and nothing serves; g.mu is held.
func (u *unit) pending() bool {
	if u.state.Serving || u.held {
		return false
	}
	if b := u.g.blocker(u.index); b != nil && (u.wanted || u.state.Phase == Waiting) {
		return b.pending()
	}
	return u.wanted || u.state.Phase <= Starting
}

// set makes s the unit's state, and tells of it.
func (u *unit) set(s State) {
	u.g.mu.Lock()
	if s.Phase == Ready || s.Phase == Failed {
		s.Took = time.Since(u.since)
	}
	u.now, u.state = s, s
	u.g.tell()
	u.g.mu.Unlock()
	u.g.opts.Log.Debug("state", "command", s.Name, "phase", s.Phase.String(), "reason", s.Reason, "took_ms", s.Took.Milliseconds())
	u.g.safely("OnState", func() { u.g.opts.OnState(s) })
}

// enter is the present state with another phase.
func (u *unit) enter(p Phase) State {
	s := u.now
	s.Phase, s.Took, s.Diagnostics = p, 0, nil
	return s
}

func (u *unit) fail(reason string, diagnostics ...Diagnostic) {
	s := u.enter(Failed)
	s.Reason, s.Diagnostics = reason, diagnostics
	u.set(s)
}

// say adds a line of ours to what the command prints.
func (u *unit) say(format string, args ...any) {
	u.queue.push(fmt.Appendf(nil, "devserve: "+format, args...))
}

// run is the life of the unit: everything that happens to it happens here, one thing after the other.
func (u *unit) run(ctx context.Context, temp string) {
	u.temp = temp
	for _, t := range []**time.Timer{&u.retry, &u.later, &u.late} {
		*t = time.NewTimer(0)
		(*t).Stop()
	}
	defer u.close()
	for ctx.Err() == nil {
		if !u.g.safely(u.spec.Name, func() { u.next(ctx) }) {
			if u.step == nil {
				u.cut(true)
			}
			text := "devserve panicked; its log has the stack"
			u.fail(text, Diagnostic{Source: "exit", Text: text})
		}
	}
}

// next waits for something to happen to the unit, and deals with it.
func (u *unit) next(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-u.work:
		u.begin(ctx)
	case <-u.later.C:
		u.begin(ctx)
	case <-done(u.step):
		u.stepped(ctx)
	case <-done(u.program):
		u.died()
	case err := <-u.probed:
		u.answered(err)
	case <-u.retry.C:
		u.launch(ctx)
	case <-u.late.C:
		u.overdue()
	}
}

// done is closed when p is over; nil if there is none.
func done(p *process) <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.done
}

func (u *unit) close() {
	for _, t := range []*time.Timer{u.retry, u.later, u.late} {
		t.Stop()
	}
	var wg sync.WaitGroup
	if u.step != nil {
		wg.Go(u.step.end)
	}
	u.endProgram()
	wg.Wait()
	s := u.enter(Stopped)
	s.Reason, s.Serving = "devserve stops", false
	u.set(s)
}

// begin builds, or starts what needs no building, if it is time for that.
func (u *unit) begin(ctx context.Context) {
	u.g.mu.Lock()
	blocker := u.g.blocker(u.index)
	if blocker != nil && u.step != nil && !u.uncut {
		u.wanted = true // what is built now will be old news
	}
	wanted := u.wanted
	u.g.mu.Unlock()

	switch {
	case !wanted, u.uncut:
		return
	case u.step != nil: // a build that nobody wants any more
		u.step.end()
		u.step = nil
	case blocker == nil && u.putOff():
		return
	}
	if blocker != nil {
		s := u.enter(Waiting)
		if s.Reason = "waits for " + blocker.spec.Name; u.now.Phase != Waiting || u.now.Reason != s.Reason {
			u.set(s)
		}
		return
	}

	u.take()
	inv, err := u.stepInvocation()
	switch {
	case err != nil:
		u.fail(err.Error(), Diagnostic{Source: "exit", Text: err.Error()})
	case len(inv.args) == 0:
		u.restart(ctx)
	default:
		u.startStep(inv)
	}
}

// take makes what is wanted what is done.
func (u *unit) take() {
	u.retry.Stop()
	u.later.Stop()
	u.hold, u.deaths = time.Time{}, 0
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	u.wanted, u.held = false, false
	u.now.Reason, u.now.Files = u.reason, sorted(u.files)
}

// putOff reports whether it is too early for what is wanted, and sees to it that it is begun in time.
func (u *unit) putOff() bool {
	if u.hold.IsZero() {
		u.g.mu.Lock()
		reason, asked, since := u.reason, len(u.files) == 0, u.since
		u.g.mu.Unlock()
		if asked || u.now.Phase != Starting && since.Sub(u.last) > settled {
			u.quickly = 0
			return false
		}
		if u.quickly++; u.quickly <= quickRuns {
			return false
		}
		if u.quickly == quickRuns+1 {
			u.say("%s runs again and again, at last as %s: does it write that itself?", u.spec.Name, reason)
		}
		u.hold = time.Now().Add(min(slow, firstRetry<<(u.quickly-quickRuns)))
		u.g.mu.Lock()
		u.held = true
		u.g.tell()
		u.g.mu.Unlock()
		u.nudgeAfter() // they need not wait for that
	}
	wait := time.Until(u.hold)
	if wait > 0 {
		u.later.Reset(wait)
	}
	return wait > 0
}

// stepInvocation is what is to be run to its end; without args if there is nothing.
func (u *unit) stepInvocation() (invocation, error) {
	switch {
	case u.spec.Generator:
		return u.line.invocation(u.spec.Dir, u.env)
	case u.spec.Build != "":
		return u.build.invocation(u.spec.Dir, u.env)
	case !u.goRun:
		return invocation{}, nil
	}
	inv, err := u.line.invocation(u.spec.Dir, u.env)
	if err != nil {
		return inv, err
	}
	run, ok := parseGoRun(inv.args)
	if !ok {
		return inv, fmt.Errorf("command: %q is no go run when its variables are known", u.line.text)
	}
	if run.dir != "" {
		inv.dir = filepath.Join(inv.dir, run.dir)
	}
	folder := filepath.Join(u.temp, "a")
	if len(u.running.args) > 0 && filepath.Dir(u.running.args[0]) == folder {
		folder = filepath.Join(u.temp, "b") // beside the one that runs
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return inv, fmt.Errorf("command: folder for programs: %w", err)
	}
	out := filepath.Join(folder, run.name(inv.dir))
	u.built = inv
	u.built.args = slices.Concat([]string{out}, run.args)
	inv.args = run.build(out)
	inv.env = append(slices.Clone(inv.env), "GOTMPDIR="+u.temp) // so that nothing is left of one that is killed
	return inv, nil
}

func (u *unit) startStep(inv invocation) {
	u.set(u.enter(Building))
	gentle, grace := terminate, u.g.opts.Grace
	if u.goRun {
		gentle, grace = interrupt, cancelIn // what the go command cleans up for
	}
	u.cut(u.goRun)
	step, err := start(inv, &output{queue: u.queue}, gentle, grace)
	if err != nil {
		u.settle(u.cut(true))
		u.broken = []Diagnostic{notStarted(err)}
		u.fail(err.Error(), u.broken...)
		return
	}
	u.step = step
	if u.spec.Generator {
		u.late.Reset(u.spec.ReadyTimeout)
	}
}

// cut says whether a change may cut the step short, and returns what has changed while it might not.
func (u *unit) cut(may bool) []string {
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	during := sorted(u.during)
	u.uncut = !may
	clear(u.during)
	return during
}

// overdue says that a generator does not end, so that nobody waits for what comes after it. It runs on.
func (u *unit) overdue() {
	text := fmt.Sprintf("%s has not ended after %v: a generator must end by itself, and not watch", u.spec.Name, u.spec.ReadyTimeout)
	u.fail(text, Diagnostic{Source: "exit", Text: text})
}

// stepped looks at what has become of the step.
func (u *unit) stepped(ctx context.Context) {
	step := u.step
	u.step = nil
	u.late.Stop()
	if u.uncut {
		u.g.scan(ctx)
		u.last = time.Now()
		u.settle(u.cut(true))
	}
	if ctx.Err() != nil {
		return
	}
	u.g.mu.Lock()
	wanted := u.wanted
	u.g.mu.Unlock()
	if wanted { // the result is old news
		u.nudge()
		return
	}

	u.broken = nil
	switch {
	case step.err != nil:
		u.broken = u.find.step(u.stepName(), step.err, step.out)
		u.fail(step.err.Error(), u.broken...)
		if u.goRun && u.program == nil && len(u.running.args) > 0 {
			u.retry.Reset(firstRetry) // it died meanwhile
		}
	case u.spec.Generator:
		u.set(u.enter(Ready))
	case u.unchanged():
		s := u.enter(Ready)
		s.Reason += ", the program is the same"
		u.set(s)
	default:
		u.restart(ctx)
	}
	u.nudgeAfter()
}

// stepName is who speaks in a step.
func (u *unit) stepName() string {
	l := u.line
	if u.spec.Build != "" && !u.spec.Generator {
		l = u.build
	}
	if name, _ := tool(l.words()); name != "" {
		return name
	}
	return u.spec.Name
}

// settle decides about files that the step reads and that were changed while it ran, by itself or by the user. They
// call for another run. What changes in that one too is what it writes in each: that needs no other, but for a
// last one after a pause, in case that it was saved by the user as well.
func (u *unit) settle(during []string) {
	for f := range u.writes {
		if !slices.Contains(during, f) {
			delete(u.writes, f)
		}
	}
	var fresh, found []string
	for _, f := range during {
		switch {
		case u.writes[f]:
		case u.suspect[f]:
			found = append(found, f)
			u.writes[f] = true
		default:
			fresh = append(fresh, f)
		}
	}
	clear(u.suspect)
	for _, f := range fresh {
		u.suspect[f] = true
	}
	if len(found) > 0 && len(fresh) == 0 {
		u.hold = time.Now().Add(quiet)
		u.say("%s writes what it reads (%s): that alone will not run it again", u.spec.Name, strings.Join(found, ", "))
	}
	if len(found)+len(fresh) > 0 {
		u.g.mu.Lock()
		u.due("", append(fresh, found...))
		u.g.mu.Unlock()
	}
}

// unchanged reports whether the program that was built is the one that runs, and nothing else has changed that it
// may read.
func (u *unit) unchanged() bool {
	if !u.goRun || u.program == nil || !u.now.Serving || len(u.now.Files) == 0 || !slices.Equal(u.built.args[1:], u.running.args[1:]) {
		return false
	}
	for _, f := range u.now.Files {
		if !u.watch.isGo && !strings.HasSuffix(f, ".go") {
			return false
		}
	}
	a, err := os.ReadFile(u.built.args[0])
	if err != nil {
		return false
	}
	b, err := os.ReadFile(u.running.args[0])
	return err == nil && bytes.Equal(a, b)
}

// restart ends the old program, if there is one, and starts the new.
func (u *unit) restart(ctx context.Context) {
	serving := u.now.Serving
	s := u.enter(Starting)
	s.Serving = false
	u.set(s)
	if serving && u.g.opts.Drain != nil {
		ctx, cancel := context.WithTimeout(ctx, u.g.opts.Grace)
		u.g.opts.Drain(ctx, u.spec.Name)
		cancel()
	}
	u.endProgram()
	if ctx.Err() != nil {
		return
	}
	if u.goRun {
		u.running = u.built
	} else if u.spec.Build == "" {
		u.g.mu.Lock()
		wanted := u.wanted && u.g.blocker(u.index) == nil
		u.g.mu.Unlock()
		if wanted {
			u.take() // it will read what was saved meanwhile
		}
	}
	u.launch(ctx)
}

func (u *unit) endProgram() {
	u.unprobe()
	if u.program != nil {
		u.program.end()
		u.checkLeft(u.program)
		u.program = nil
	}
}

func (u *unit) checkLeft(p *process) {
	if p.left {
		u.say("some processes of %s cannot be ended", u.spec.Name)
	}
}

// launch starts the program.
func (u *unit) launch(ctx context.Context) {
	inv := u.running
	if !u.goRun {
		var err error
		if inv, err = u.line.invocation(u.spec.Dir, u.env); err != nil {
			u.fail(err.Error(), Diagnostic{Source: "exit", Text: err.Error()})
			return
		}
	}
	inv.open = true // some end when there is nothing more to read, as Tailwind and esbuild do that watch
	taken := u.taken(ctx)
	program, err := start(inv, &output{queue: u.queue}, terminate, u.g.opts.Grace)
	if err != nil {
		u.fail(err.Error(), notStarted(err))
		return
	}
	u.program, u.last = program, time.Now()

	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { u.probe(ctx, taken) })
	u.unprobe = func() {
		cancel()
		wg.Wait()
		u.unprobe = func() {}
	}
}

// taken reports whether something answers before the program does.
func (u *unit) taken(ctx context.Context) bool {
	if u.spec.Ready == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, settled)
	defer cancel()
	if u.spec.Ready(ctx) != nil {
		return false
	}
	u.say("something else answers already where %s is to", u.spec.Name)
	return true
}

var errPanic = errors.New("its probe panicked")

// probe waits for the program to be ready and sends nil on probed; after the time-out an error too.
func (u *unit) probe(ctx context.Context, taken bool) {
	limit := time.NewTimer(u.spec.ReadyTimeout)
	defer limit.Stop()
	lives := time.Duration(0)
	switch {
	case taken:
		lives = doubted
	case u.spec.Ready == nil:
		lives = settled
	}
	select {
	case <-ctx.Done():
	case <-time.After(lives):
	}
	for gap := firstGap; ctx.Err() == nil; gap = min(2*gap, lastGap) {
		var err error
		if u.spec.Ready != nil {
			err = errPanic
			u.g.safely("Ready", func() { err = u.spec.Ready(ctx) })
		}
		if err == nil {
			select {
			case <-ctx.Done():
			case u.probed <- nil:
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(gap):
		case <-limit.C:
			select {
			case <-ctx.Done():
			case u.probed <- fmt.Errorf("not ready after %v: %w", u.spec.ReadyTimeout, err):
			}
		}
	}
}

// answered hears from probe.
func (u *unit) answered(err error) {
	u.now.Serving = err == nil
	switch {
	case u.step != nil || u.now.Phase == Waiting: // the next is on its way
		u.set(u.now)
	case err != nil:
		text := u.spec.Name + " is " + err.Error()
		d := Diagnostic{Source: "exit", Text: text}
		u.fail(text, slices.Concat(u.broken, []Diagnostic{d})...)
	case u.broken != nil:
		u.fail("it answers again, but the last build has failed", u.broken...)
	default:
		s := u.enter(Ready)
		if u.now.Phase == Failed {
			s.Reason = "it answers again"
		}
		u.set(s)
	}
}

// died looks at how the program has ended by itself, and has it started again if that was no success.
func (u *unit) died() {
	p := u.program
	u.program = nil
	u.unprobe()
	wasReady := u.now.Serving
	u.now.Serving = false
	u.checkLeft(p)
	if u.step != nil || u.now.Phase == Waiting { // the next is on its way
		u.set(u.now)
		return
	}
	if p.err == nil {
		s := u.enter(Stopped)
		s.Reason = "it has ended"
		u.set(s)
		return
	}
	if time.Since(p.began) > sound {
		u.deaths = 0
	}
	wait := min(firstRetry<<min(u.deaths, 20), lastRetry)
	if !wasReady {
		wait = max(wait, time.Second)
	}
	u.deaths++
	u.retry.Reset(wait)
	u.g.mu.Lock()
	u.since = time.Now()
	u.g.mu.Unlock()
	u.fail(p.err.Error(), slices.Concat(u.broken, u.find.ended(u.spec.Name, p.err, p.out))...)
}

// notStarted says why something could not be started at all.
func notStarted(err error) Diagnostic {
	return Diagnostic{Source: "exit", Text: err.Error()}
}
