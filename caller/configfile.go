package caller

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Limits of pjsua's --config-file (read_config_file in pjsua_app_config.c):
// a line is read into 200 bytes with its end and a NUL, and there is room for
// 128 arguments with the program's name and --config-file itself.
const (
	maxLine      = 198
	maxArguments = 126
)

// encode writes arguments so that pjsua reads them back. An error names the
// option, never its value, which may be a password.
func encode(args []string) ([]byte, error) {
	var file bytes.Buffer
	count := 0
	line := func(token, name string) error {
		quoted, err := quote(token)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(quoted) > maxLine {
			return fmt.Errorf("%s: %d bytes are too long, pjsua reads lines of %d; shorten it", name, len(quoted), maxLine)
		}
		count++
		file.WriteString(quoted)
		file.WriteByte('\n')
		return nil
	}
	for _, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		if !strings.HasPrefix(arg, "--") {
			name, hasValue = "the argument without a name", false
		}
		quoted, err := quote(arg)
		if err == nil && len(quoted) <= maxLine || !hasValue {
			if err := line(arg, name); err != nil {
				return nil, err
			}
			continue
		}
		// An option and its value may stand on lines of their own.
		if err := line(name, name); err != nil {
			return nil, err
		}
		if err := line(value, name); err != nil {
			return nil, err
		}
	}
	if count > maxArguments {
		return nil, fmt.Errorf("%d arguments are too many, pjsua takes %d; shorten args", count, maxArguments)
	}
	return file.Bytes(), nil
}

// quote writes one token. pjsua knows quotes only around a whole token and has
// no escapes, and what begins with # is a comment, in quotes too.
func quote(token string) (string, error) {
	switch {
	case token == "":
		return "", errors.New("an empty argument cannot be written to pjsua's file; leave it out")
	case token[0] == '#':
		return "", errors.New("an argument that begins with # cannot be written to pjsua's file")
	case strings.ContainsAny(token, "\n\r\x00"):
		return "", errors.New("line ends and NUL bytes cannot be written to pjsua's file")
	case !strings.ContainsAny(token, " \t") && token[0] != '"' && token[0] != '\'':
		return token, nil
	case !strings.Contains(token, `"`):
		return `"` + token + `"`, nil
	case !strings.Contains(token, `'`):
		return `'` + token + `'`, nil
	}
	return "", errors.New("both kinds of quotes together with spaces cannot be written to pjsua's file")
}

// writePrivate replaces a file at once, readable by its owner alone, and makes
// its directory.
func writePrivate(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w; the runtime directory must be writable, as a tmpfs or a volume", err)
	}
	// CreateTemp makes it with mode 0600.
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("%w; the runtime directory must be writable, as a tmpfs or a volume", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
