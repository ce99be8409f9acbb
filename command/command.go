// Package command keeps the programs running that work beside a site: a backend, which is built
// and restarted when its sources change, and generators, which run to their end before what comes after them.
//
//	Changed ──▶ snapshot ──▶ command: generator ──▶ command: go build ─▶ program ──▶ State
//	 hints       whose        in the order of         old one serves      ready?
//	             content      their Specs             until it passed
//
// It promises:
//
//   - What runs was made from the newest files. A change during a build ends that build and begins another; one during
//     a generator's run has it run again. A write of equal content is no change.
//   - Of `go run`, and of a command with a Build, the old process goes on until the new build has passed. A build that
//     fails leaves it as it is.
//   - No process outlives its restart, Run, or the process that called Run, whether it forks, ignores SIGTERM, or
//     leaves its group. Where that cannot be had, process_*.go says so.
//   - Output costs a bounded amount of memory, and whoever reads it slowly delays no program.
//   - A generator that changes what it reads is not run for that for ever, and a program that dies again and again
//     is started at growing intervals.
//
// It knows nothing of pages, of how changes are noticed, and of how a request is held: see [Group.Wait].
package command

import (
	"context"
	"log/slog"
	"time"
)

// A Spec is one command. Either Line or Args says what to run.
type Spec struct {
	// Name tells it from the others in a [State]. "" means the command as it was given.
	Name string

	// Line is what one would type in a shell: words, quotes, NAME=value in front, $NAME, ~ and globs are
	// understood; anything more (pipes, &&, $(…)) is given to the system's shell. Args are words to be taken as they are.
	Line string
	Args []string

	// Build is a line that is run to its end before each start, while the old process goes on. `go run` needs none:
	// it is taken apart into `go build` and the program. That of a Generator is not used.
	Build string

	Dir string   // where it runs; "" means the working directory
	Env []string // NAME=value, beside and over this process's own

	// Watch are doublestar globs, relative to Dir, of files whose change builds and runs it anew; ../ may lead out of Dir.
	// Nil means what the programs in Line are known to read: `go run` and `go build` **/*.go without tests, go.mod, go.sum,
	// go.work and what //go:embed names; templ, sqlc and Tailwind their sources; others nothing. Ignore are globs of
	// those that do not count; one without a slash matches a name at any depth. Directories called node_modules or with
	// a leading dot count only if a glob names them.
	Watch  []string
	Ignore []string

	// Generator says that it ends by itself, and must have ended well before the Specs after it are built or started.
	// `go build`, `go generate`, `templ generate`, `sqlc generate` and `tailwindcss` are generators, unless told to watch.
	Generator bool

	// Ready tells whether the program answers; it is asked again and again until it returns nil, see [Dial] and [Get].
	// Nil means that a program is ready when it has lived for a quarter of a second.
	Ready Probe

	// ReadyTimeout is how long that may take before it is said to have failed; it is asked on all the same. So is
	// how long a generator may run before what comes after it is not waited for any more. Zero means 30s.
	ReadyTimeout time.Duration
}

// A Probe returns nil if a program is ready, or else what was wrong. Its context ends with the program.
type Probe func(context.Context) error

// Options tunes a [Group]. The zero value is ready to use.
type Options struct {
	// Grace is how long a process has after SIGTERM before it is killed with all that it has started. Zero means 5s.
	Grace time.Duration

	// OnState is told of every change of a command's state: of one command in order, of several at once.
	// It may call all methods of the Group but Run, and delays its command as long as it takes.
	OnState func(State)

	// Drain is called before a program that was ready is told to stop, after [Group.Wait] has begun to block, so that the
	// caller can let answers end that are under way: those that it counted before it found the State to be Serving.
	// It returns when they have ended, at the latest when ctx is done, which it is after Grace.
	Drain func(ctx context.Context, name string)

	// Output is given what the command prints, line by line, without the line's end and cut after 4 KiB. It is called
	// by one goroutine for each command; lines that it is too slow for are left out, and a line says how many.
	Output func(name, line string)

	// OnPanic is told of a panic in what Run does, the functions above included, by the goroutine that it came from:
	// debug.Stack has the stack. Run goes on; a command that it happened to has Failed. Nil logs it.
	OnPanic func(what string, value any)

	Log *slog.Logger // debug records; nil discards them
}

// A Phase is what a command is about.
type Phase uint8

const (
	Waiting  Phase = iota // for its turn: a generator before it has not ended well
	Building              // a build step or a generator runs; the old program may be Serving
	Starting              // the program is being stopped or started and does not answer yet
	Ready                 // it answers; a generator has ended well
	Failed                // see State.Diagnostics; waits for a change, or to be started again after a crash
	Stopped               // it ended by itself with success, or Run has ended
)

func (p Phase) String() string {
	return [...]string{"waiting", "building", "starting", "ready", "failed", "stopped"}[p]
}

// A State is what a command is about, and why.
type State struct {
	Name        string
	Phase       Phase
	Generator   bool
	Watcher     bool          // a tool that looks after its inputs itself, as Tailwind's --watch does: nothing listens
	Serving     bool          // a program runs that was ready: also while the next is built, and after that build failed
	Reason      string        // for a person: "start", "cmd/api/main.go changed", "exit status 2"
	Files       []string      // what changed, slash-separated and relative to Dir, when that is the reason
	Took        time.Duration // from the change to Ready or Failed
	Diagnostics []Diagnostic  // of Failed
}

// A Diagnostic is an error with its place, where that is known.
type Diagnostic struct {
	Source   string // "go", "panic", "exit", or the name of the program that said it
	Text     string
	File     string // slash-separated and relative to Dir, or absolute if it is not below; "" when unknown
	Line     int    // from 1; 0 when unknown
	Column   int    // from 1, in UTF-16 units; 0 when unknown
	LineText string // the line as the file has it now
	Notes    []Note
}

// A Note adds to a [Diagnostic]: another frame of a stack, or the last lines of output.
type Note struct {
	Text     string
	File     string
	Line     int
	Column   int
	LineText string
}
