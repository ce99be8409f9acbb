// Package private knows the names of files that lie in a site's folder and are not meant for a page.
package private

import (
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"unicode"
)

// Name reports whether a file of this name (slash-separated, relative to the site)
// is never served, nor copied for a host. It is asked twice, about the name in the URL and about what that name leads to
// once links are followed, and it judges names as the most forgiving file system would:
// whatever opens ".env" on some system is denied on all.
//
// Denied are
//   - names that begin with a dot (".env", ".git"), except ".well-known" and the
//     package managers' stores right below node_modules, which linked packages live in,
//   - keys and certificates, and the files of those who keep them,
//   - what editors leave behind, which may be an older version of a file with a secret,
//   - names that Windows takes for something else: devices, alternate streams, a
//     trailing dot or space, short names.
func Name(name string) bool {
	parent := ""
	for seg := range strings.SplitSeq(name, "/") {
		seg = fold(seg)
		if segment(seg, parent) {
			return true
		}
		parent = seg
	}
	return false
}

func segment(seg, parent string) bool {
	switch {
	case seg == "" || seg == ".": // the root itself
		return false
	case seg[0] == '.':
		return seg != ".well-known" && !(parent == "node_modules" && slices.Contains(packageStores, seg))
	case strings.HasSuffix(seg, "."), strings.HasSuffix(seg, " "):
		return true
	case strings.Contains(seg, "::"):
		return true
	case runtime.GOOS == "windows" && windowsAlias.MatchString(seg):
		return true
	case strings.HasSuffix(seg, "~"), strings.HasPrefix(seg, "#") && strings.HasSuffix(seg, "#"):
		return true
	case strings.HasSuffix(seg, "___jb_tmp___"), strings.HasSuffix(seg, "___jb_old___"):
		return true
	}
	for _, key := range keyNames {
		if strings.HasPrefix(seg, key) {
			return true
		}
	}
	stem, _, _ := strings.Cut(seg, ".")
	return slices.Contains(devices, strings.TrimRight(stem, " ")) || slices.Contains(deniedExts, path.Ext(seg))
}

// windowsAlias finds an alternate stream, and the short name of a file whose long one may be denied.
var windowsAlias = regexp.MustCompile(`:|~[0-9]`)

var (
	packageStores = []string{".pnpm", ".bun", ".store"}

	keyNames = []string{"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"}

	deniedExts = []string{
		".pem", ".key", ".p8", ".p12", ".pfx", ".pkcs12", ".jks", ".keystore", ".crt", ".cer", ".der", ".csr",
		".ppk", ".kdbx", ".ovpn", ".swp", ".swo", ".swx",
	}

	devices = []string{
		"con", "prn", "aux", "nul", "conin$", "conout$",
		"com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "com¹", "com²", "com³",
		"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "lpt¹", "lpt²", "lpt³",
	}
)

// fold maps a name to one spelling of all that a case-insensitive file system may take
// it for: case by Unicode's folding, so that the long s and the Kelvin sign are letters, and without
// the invisible characters that HFS+ ignores.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, name)
}
