// Bell state (|00> + |11>)/sqrt(2): only 00 and 11 are ever seen.
// J. S. Bell, "On the Einstein Podolsky Rosen paradox", Physics 1 (1964) 195.
OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
measure q -> c;
