package caller

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// decode reads a configuration file as pjsua does: lines of at most 199 bytes
// with their end (fgets with 200), tokens between blanks, quotes around whole
// tokens, no escapes, # begins a comment.
func decode(file []byte) []string {
	var args []string
	for _, line := range bytes.SplitAfter(file, []byte("\n")) {
		for len(line) > 0 {
			part := line[:min(len(line), 199)]
			line = line[len(part):]
			args = append(args, decodeLine(strings.TrimRight(string(part), "\r\n"))...)
		}
	}
	return args
}

func decodeLine(line string) (args []string) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return args
		}
		var token string
		if q := line[:1]; q == `"` || q == `'` {
			token, line, _ = strings.Cut(line[1:], q)
		} else if i := strings.IndexAny(line, " \t"); i >= 0 {
			token, line = line[:i], line[i:]
		} else {
			token, line = line, ""
		}
		if strings.HasPrefix(token, "#") {
			return args
		}
		if token != "" {
			args = append(args, token)
		}
	}
}

// joined undoes what encode does to options that are too long for one line.
func joined(args []string, want []string) []string {
	var got []string
	for i := 0; i < len(args); i++ {
		if len(got) < len(want) && args[i] != want[len(got)] && strings.HasPrefix(args[i], "--") && i+1 < len(args) {
			got = append(got, args[i]+"="+args[i+1])
			i++
			continue
		}
		got = append(got, args[i])
	}
	return got
}

func TestEncode(t *testing.T) {
	long := strings.Repeat("x", 190)
	tests := map[string]struct {
		args []string
		file string
	}{
		"plain":                     {[]string{"--a=b", "sip:a@b;transport=tcp"}, "--a=b\nsip:a@b;transport=tcp\n"},
		"a blank":                   {[]string{"--password=a b"}, "\"--password=a b\"\n"},
		"a blank and double quotes": {[]string{`"Alice" <sip:a@b>`}, "'\"Alice\" <sip:a@b>'\n"},
		"quotes without a blank":    {[]string{`--password=a"b'c`}, "--password=a\"b'c\n"},
		"a hash inside":             {[]string{"--password=a#b"}, "--password=a#b\n"},
		"198 bytes":                 {[]string{"--abcde=" + long}, "--abcde=" + long + "\n"},
		"199 bytes go on two lines": {[]string{"--abcdef=" + long}, "--abcdef\n" + long + "\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := encode(tt.args)
			if err != nil || string(got) != tt.file {
				t.Fatalf("got %q, %v; want %q", got, err, tt.file)
			}
			if back := joined(decode(got), tt.args); !slices.Equal(back, tt.args) {
				t.Errorf("pjsua would read %q, want %q", back, tt.args)
			}
		})
	}
	for _, arg := range []string{"", "#x", "a\nb", "a\x00b", `a 'b" c`, strings.Repeat("y", 199), "--a=" + strings.Repeat("y", 199)} {
		if got, err := encode([]string{arg}); err == nil {
			t.Errorf("encode(%q) = %q, want an error", arg, got)
		}
	}
}

func TestEncodeCountsArguments(t *testing.T) {
	if _, err := encode(slices.Repeat([]string{"--mwi"}, maxArguments)); err != nil {
		t.Errorf("%d arguments: %v", maxArguments, err)
	}
	if _, err := encode(slices.Repeat([]string{"--mwi"}, maxArguments+1)); err == nil {
		t.Errorf("%d arguments: no error", maxArguments+1)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("--password=geheim", "sip:a@b")
	f.Add("--password=a b'c", `"A" <sip:a@b>`)
	f.Add("--x="+strings.Repeat("z", 197), "#")
	f.Fuzz(func(t *testing.T, a, b string) {
		want := []string{a, b}
		file, err := encode(want)
		if err != nil {
			return
		}
		if got := joined(decode(file), want); !slices.Equal(got, want) {
			t.Errorf("pjsua would read %q, want %q", got, want)
		}
	})
}
