# perl: forks, pipes, sockets, signals, regular expressions, sorting.
# packages: perl
exec perl - <<'END'
use strict; use warnings; use Socket; use IO::Select; use POSIX ":sys_wait_h"; use Time::HiRes qw(sleep alarm);
$| = 1;
my %count; $count{$_ % 7}++ for 1 .. 100000; print join(",", map { "$_=$count{$_}" } sort keys %count), "\n";
my $pid = open(my $pipe, "-|") // die; if (!$pid) { print "from the child\n"; exit 3 } print <$pipe>; close $pipe; print $? >> 8, "\n";
socketpair(my $x, my $y, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; 
use IO::Handle; $_->autoflush(1) for $x, $y; if (!fork) { close $x; my $line = <$y>; print $y uc $line; exit } close $y;
print $x "shout\n"; shutdown $x, 1; print scalar <$x>; wait;
my $alarms = 0; local $SIG{ALRM} = sub { $alarms++ }; alarm 0.05; sleep 1; print "alarms $alarms\n";
my $n = 0; for (1 .. 20) { my $p = fork; exit $_ unless $p; } while ((my $p = waitpid(-1, 0)) > 0) { $n += $? >> 8 } print "sum $n\n";
print join(" ", sort { $a <=> $b } map { ($_ * 7919) % 101 } 1 .. 20), "\n";
my $text = "x" x 100000 . "y"; print length($1), "\n" if $text =~ /^(x+)y$/;
print `echo backticks; exit 2`, $? >> 8, "\n";
local $SIG{CHLD} = "IGNORE"; system("true"); print "system $?\n";
open my $f, "+>", "/tmp/f" or die; print $f "line $_\n" for 1 .. 1000; seek $f, 0, 0; my @l = <$f>; print scalar(@l), "\n";
printf "%s\n", join ",", unpack("A2 n", pack("A2 n", "ab", 513));
END
