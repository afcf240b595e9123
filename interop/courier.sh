# Starts what Courier is made of; the files of configuration are Courier's own, which say the rest.
set -a
prefix=/usr exec_prefix=/usr sysconfdir=/etc/courier sbindir=/usr/sbin bindir=/usr/bin libexecdir=/usr/lib/courier
umask 022
cd /etc/courier
makeuserdb
for name in hosteddomains esmtpacceptmailfor.dir; do
    $libexecdir/makedat -src=/etc/courier/$name -file=/etc/courier/${name%.dir}.dat -tmp=/etc/courier/${name%.dir}.tmp
done
makealiases
pop3="$libexecdir/courier/courierpop3login $libexecdir/courier/courierpop3d Maildir"
(. ./authdaemonrc && exec $libexecdir/courier-authlib/authdaemond) &
(. ./courierd && exec $libexecdir/courier/courierd) &
(. ./esmtpd && exec $sbindir/couriertcpd $TCPDOPTS -user=$MAILUSER -group=$MAILGROUP $PORT /usr/sbin/courieresmtpd) &
(. ./pop3d && . ./pop3d-ssl && exec $sbindir/couriertcpd $TCPDOPTS $PORT $pop3) &
(. ./pop3d && . ./pop3d-ssl && POP3_TLS=1 && exec $sbindir/couriertcpd $TCPDOPTS $SSLPORT $COURIERTLS -server -tcpd -user=courier $pop3) &
(. ./imapd && . ./imapd-ssl && IMAP_TLS=1 && exec $sbindir/couriertcpd $TCPDOPTS $SSLPORT $COURIERTLS -server -tcpd -user=courier \
    $libexecdir/courier/imaplogin /usr/bin/imapd Maildir) &
wait
