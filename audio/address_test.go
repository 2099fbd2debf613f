package audio

import "testing"

func TestAddress(t *testing.T) {
	for _, tt := range []struct{ in, network, addr string }{
		{"/run/nullcard/pulse/native", "unix", "/run/nullcard/pulse/native"},
		{"unix:/run/user/1000/pulse/native", "unix", "/run/user/1000/pulse/native"},
		{"{4c4a}unix:/tmp/native", "unix", "/tmp/native"},
		{"tcp:sound.example.com", "tcp", "sound.example.com:4713"},
		{"tcp4:sound.example.com:5000", "tcp4", "sound.example.com:5000"},
		{"tcp6:[::1]:5000", "tcp6", "[::1]:5000"},
		{"tcp6:::1", "tcp6", "[::1]:4713"},
		{"sound.example.com other.example.com", "tcp", "sound.example.com:4713"},
		{"", "", ""},
		{"{", "", ""},
		{"{}", "", ""},
		{"unix:native", "", ""},
		{"unix:", "", ""},
		{"tcp:", "", ""},
	} {
		network, addr, err := address(tt.in)
		if network != tt.network || addr != tt.addr || (err == nil) != (tt.addr != "") {
			t.Errorf("address(%q) = %q, %q, %v; want %q, %q", tt.in, network, addr, err, tt.network, tt.addr)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("{a}tcp:host:1")
	f.Add("unix:/x")
	f.Fuzz(func(t *testing.T, s string) {
		if network, addr, err := address(s); (err == nil) != (network != "" && addr != "") {
			t.Errorf("address(%q) = %q, %q, %v", s, network, addr, err)
		}
	})
}
