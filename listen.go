package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"syscall"
)

// portsTried is how many ports in a row are tried before it is said that none is free.
const portsTried = 100

// listen opens port on host, or unless strict the next one that is free, and returns what must
// be served: "localhost" is two addresses, as browsers try [::1] first and would
// else reach whatever program listens there.
func listen(host string, port int, strict bool) ([]net.Listener, error) {
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	last := min(port+portsTried-1, 65535)
	for p, tried := port, 0; ; tried++ {
		listeners, err := listenAll(hosts, p)
		switch {
		case err == nil:
			return listeners, nil
		case errors.Is(err, syscall.EACCES) && !inUse(err):
			return nil, fmt.Errorf("port %d is not for everyone: choose one above 1023 by --port", p)
		case !inUse(err):
			return nil, fmt.Errorf("cannot listen on %q, as no address of this machine: leave --host out, or give 0.0.0.0 for all (%w)", host, err)
		case port == 0 && tried < portsTried:
			continue
		case strict:
			return nil, fmt.Errorf("port %d is in use: stop the program that has it, or leave --strict-port out to get the next free one", p)
		case p >= last:
			return nil, fmt.Errorf("ports %d to %d are in use: choose another by --port, or 0 for any", port, p)
		}
		p++
	}
}

// listenAll opens one port, any if it is 0, on all hosts that this machine has; one it does not
// have is left out, unless there are no others.
func listenAll(hosts []string, port int) (listeners []net.Listener, err error) {
	var missing error
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			listeners = append(listeners, l)
			port = l.Addr().(*net.TCPAddr).Port
		case inUse(err):
			for _, l := range listeners {
				l.Close()
			}
			return nil, err
		default:
			missing = cmp.Or(missing, err)
		}
	}
	if len(listeners) == 0 {
		return nil, missing
	}
	return listeners, nil
}

// inUse reports whether another program has the port. Windows' errors are not those of
// package syscall; there a port that another program, or the system, keeps for itself
// alone is a matter of access.
//
// https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2
func inUse(err error) bool {
	const wsaEACCES, wsaEADDRINUSE = syscall.Errno(10013), syscall.Errno(10048)
	if runtime.GOOS == "windows" {
		return errors.Is(err, wsaEADDRINUSE) || errors.Is(err, wsaEACCES)
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// urls returns under which addresses browsers find what listens at addr: those that lead here
// only from this machine, and those that others can use.
func urls(host string, addr *net.TCPAddr, base string) (local, network []string) {
	url := func(name string) string {
		return "http://" + net.JoinHostPort(name, strconv.Itoa(addr.Port)) + cmp.Or(base, "/")
	}
	switch {
	case addr.IP.IsUnspecified():
		return []string{url("localhost")}, each(url, ownAddresses())
	case !addr.IP.IsLoopback():
		return nil, []string{url(addr.IP.String())}
	case host == "localhost":
		return []string{url(host)}, nil
	}
	return []string{url(addr.IP.String())}, nil
}

// ownAddresses returns this machine's addresses on its networks, those of IPv6 only if there are no
// others.
func ownAddresses() []string {
	var v4, v6 []string
	addrs, _ := net.InterfaceAddrs() // without them there is less to say
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		switch {
		case !ok || !n.IP.IsGlobalUnicast():
		case n.IP.To4() != nil:
			v4 = append(v4, n.IP.String())
		default:
			v6 = append(v6, n.IP.String())
		}
	}
	if len(v4) > 0 {
		return v4
	}
	return v6
}

func each(f func(string) string, in []string) (out []string) {
	for _, s := range in {
		out = append(out, f(s))
	}
	return out
}
