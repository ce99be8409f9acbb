package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// A process is what /proc/PID/stat says of one.
type process struct {
	pid, parent int
	cpu         time.Duration // its own, and that of children which ended
	rss         int64         // bytes
}

// parseStat reads a line of /proc/PID/stat: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func parseStat(line string) (p process, err error) {
	// The name in parentheses may have spaces and parentheses in it.
	end := strings.LastIndexByte(line, ')')
	open := strings.IndexByte(line, '(')
	if open < 1 || end < open {
		return p, fmt.Errorf("bench: not a stat line: %q", line)
	}
	fields := strings.Fields(line[end+1:]) // fields[0] is the third of the manual: state
	if len(fields) < 22 {
		return p, fmt.Errorf("bench: a short stat line: %q", line)
	}
	n := func(field int) (v int64) {
		if err == nil {
			v, err = strconv.ParseInt(fields[field-3], 10, 64)
		}
		return v
	}
	p.parent = int(n(4))
	p.cpu = time.Duration(n(14)+n(15)+n(16)+n(17)) * tick
	p.rss = n(24) * int64(os.Getpagesize())
	if err == nil {
		p.pid, err = strconv.Atoi(strings.TrimSpace(line[:open]))
	}
	return p, err
}

// processes are all that run.
func processes() (all []process, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		p, err := parseStat(string(line))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// A usage is what a process and all below it have used.
type usage struct {
	cpu time.Duration
	rss int64
}

// tree sums up pid and its descendants.
func tree(all []process, pid int) (u usage) {
	children := map[int][]process{}
	for _, p := range all {
		if p.pid == pid {
			u.cpu += p.cpu
			u.rss += p.rss
		}
		children[p.parent] = append(children[p.parent], p)
	}
	for _, c := range children[pid] {
		below := tree(all, c.pid)
		u.cpu += below.cpu
		u.rss += below.rss
	}
	return u
}

func usageOf(pid int) (usage, error) {
	all, err := processes()
	return tree(all, pid), err
}

// A clock is what the whole machine and we, with the servers and Chromium, have used up to a moment.
type clock struct {
	busy, total, steal, ours time.Duration
	load                     string
}

func readClock() (c clock, err error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c, err
	}
	if c, err = parseClock(string(data)); err != nil {
		return c, err
	}
	u, err := usageOf(os.Getpid())
	if err != nil {
		return c, err
	}
	c.ours = u.cpu
	load, err := os.ReadFile("/proc/loadavg")
	c.load = strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " ")
	return c, err
}

// parseClock reads the first line of /proc/stat: user nice system idle iowait irq softirq steal.
func parseClock(stat string) (c clock, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return c, fmt.Errorf("bench: not as /proc/stat begins: %q", line)
	}
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return c, err
		}
		d := time.Duration(n) * tick
		c.total += d
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			c.steal = d
		default:
			c.busy += d
		}
	}
	return c, nil
}

// A noise is what kept the machine busy beside what is measured, as shares of all its cores.
type noise struct {
	others, steal float64
	load          string // the averages of 1, 5 and 15 minutes at the end
}

func (c clock) since(before clock) noise {
	total := float64(c.total - before.total)
	if total <= 0 {
		return noise{load: c.load}
	}
	return noise{
		others: max(0, float64((c.busy-before.busy)-(c.ours-before.ours))/total),
		steal:  float64(c.steal-before.steal) / total,
		load:   c.load,
	}
}

// busy tells whether the figures of such a run are to be doubted. A twentieth is what an idle desktop uses.
func (n noise) busy() bool { return n.others > 0.05 || n.steal > 0.02 }

func (n noise) String() string {
	return fmt.Sprintf("other programs %.0f%% of the cores, steal %.0f%%, load %s", 100*n.others, 100*n.steal, n.load)
}

// machine describes this one, without its name.
func machine() string {
	model := runtime.GOARCH
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	memory := ""
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(data), "MemTotal: %d kB", &kib); err == nil {
			memory = fmt.Sprintf(", %.0f GiB", float64(kib)/(1<<20))
		}
	}
	return fmt.Sprintf("%d cores, %s%s, %s", runtime.NumCPU(), model, memory, runtime.GOOS)
}
