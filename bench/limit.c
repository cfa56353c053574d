/*
 * What a signing filter can do at most: our registrations, one RSA signature a message, and nothing
 * else. `limit KEY REGISTRATIONS`; the latter is what our own filter answered to smtpd's handshake.
 *
 * It takes shortcuts that no real filter may take: one version of the protocol, no limits, no errors,
 * a field that looks like DKIM's and signs the message as a whole.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID 33 /* SESSION|TOKEN, 16 digits each */
#define SESSIONS 1024

struct text { char *bytes; size_t size, room; };
static struct { char id[ID]; struct text mail; } sessions[SESSIONS];
static struct text out;

static void add(struct text *to, const char *bytes, size_t size)
{
	if (to->size + size > to->room)
		to->bytes = realloc(to->bytes, to->room = 2 * (to->size + size));
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static void answer(const char *kind, const char *id, const char *bytes, size_t size)
{
	add(&out, kind, strlen(kind));
	add(&out, id, ID);
	add(&out, "|", 1);
	add(&out, bytes, size);
	add(&out, "\n", 1);
}

static void flush(void)
{
	size_t sent = 0;

	while (sent < out.size)
		sent += (size_t)write(0, out.bytes + sent, out.size - sent);
	out.size = 0;
}

static struct text *mail_of(const char *id)
{
	size_t i, unused = SESSIONS;

	for (i = 0; i < SESSIONS; i++) {
		if (sessions[i].mail.size > 0 && memcmp(sessions[i].id, id, ID) == 0)
			return &sessions[i].mail;
		if (sessions[i].mail.size == 0 && unused == SESSIONS)
			unused = i;
	}
	memcpy(sessions[unused].id, id, ID);
	return &sessions[unused].mail;
}

static void sign(EVP_PKEY *key, const char *id, struct text *mail)
{
	unsigned char signature[1024];
	char field[2048], *line = mail->bytes, *end;
	size_t size = sizeof(signature);
	int head = snprintf(field, sizeof(field), "DKIM-Signature: a=rsa-sha256; d=example.org; s=rsa; b=");
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key);
	EVP_DigestSign(context, signature, &size, (unsigned char *)mail->bytes, mail->size);
	EVP_MD_CTX_free(context);
	head += EVP_EncodeBlock((unsigned char *)field + head, signature, (int)size);
	answer("filter-dataline|", id, field, (size_t)head);
	for (; (end = memchr(line, '\n', mail->size - (size_t)(line - mail->bytes))) != NULL &&
	    end + 1 < mail->bytes + mail->size; line = end + 1)
		answer("filter-dataline|", id, line, (size_t)(end - line));
	answer("filter-dataline|", id, ".", 1);
	mail->size = 0;
	flush();
}

int main(int count, char **arguments)
{
	static char buffer[1 << 20];
	size_t kept = 0;
	ssize_t got;
	FILE *file = fopen(arguments[1], "r");
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

	while (count == 3 && (got = read(0, buffer + kept, sizeof(buffer) - kept)) > 0) {
		char *line = buffer, *end, *stop = buffer + kept + got;

		for (; (end = memchr(line, '\n', (size_t)(stop - line))) != NULL; line = end + 1) {
			char *phase = line, *id, *payload;
			int field;

			*end = '\0';
			if (strcmp(line, "config|ready") == 0) {
				char text[4096];
				FILE *registrations = fopen(arguments[2], "r");

				add(&out, text, fread(text, 1, sizeof(text), registrations));
			}
			if (strncmp(line, "filter|", 7) != 0)
				continue; /* of reports, as ours for most: nothing */
			for (field = 0; field < 4; field++)
				phase = strchr(phase, '|') + 1;
			id = strchr(phase, '|') + 1;
			payload = id + ID + 1;
			if (strncmp(phase, "data-line|", 10) != 0)
				answer("filter-result|", id, "proceed", 7);
			else {
				struct text *mail = mail_of(id);

				*end = '\n';
				if (strncmp(payload, ".\n", 2) == 0) {
					add(mail, ".\n", 2);
					sign(key, id, mail);
				} else
					add(mail, payload, (size_t)(end + 1 - payload));
			}
		}
		kept = (size_t)(stop - line);
		memmove(buffer, line, kept);
		flush();
	}
	return 0;
}
