# openssl and curl: keys, a certificate, a TLS server and its client, digests.
# packages: openssl curl
cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out cert -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 2>/dev/null
echo data >file && openssl dgst -sha256 file && openssl enc -aes-256-cbc -pbkdf2 -k pw -in file | openssl enc -d -aes-256-cbc -pbkdf2 -k pw
openssl genrsa 2048 2>/dev/null | openssl rsa -check -noout 2>&1 | tail -n 1
echo page >index.html
openssl s_server -quiet -accept 127.0.0.1:4433 -cert cert -key key -WWW >/dev/null 2>&1 &
server=$!
sleep 0.5
curl -s --cacert cert --resolve localhost:4433:127.0.0.1 https://localhost:4433/index.html
echo | openssl s_client -connect 127.0.0.1:4433 -CAfile cert -verify_return_error -brief 2>&1 | grep -E 'Verification|Protocol'
kill $server
openssl speed -seconds 1 -evp aes-128-gcm 2>/dev/null | grep -ci aes
openssl prime 1000003 && openssl rand -hex 16 | wc -c
