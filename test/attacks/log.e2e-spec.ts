import { Client } from '../support/client.js';
import { until } from '../support/until.js';
import { Victim } from '../support/victim.js';

describe.each(['text', 'json'])('the log as %s', (LOG_FORMAT) => {
  it('shows what is hidden in the name of a model', async () => {
    const victim = await Victim.start({ LOG_FORMAT, MAX_QEUE: 3, OPENAI_API_KEY: 'sk-x' });
    try {
      expect(victim.output).toContain(
        'MAX_QEUE is no setting and is not read: is MAX_QUEUE meant?',
      );
      expect(victim.output).toContain('OPENAI_API_KEY has no effect');
      const client = await Client.connect(victim.socketUrl);
      const model = 'evil\u202etxt.exe\u200b\u2066';
      const asked = await client.ask('generate', { prompt: 'hi', model });
      client.close();
      if (!asked.ok) return;
      await until(() => victim.output.includes('generation failed'));
      expect(victim.output).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b-\u200f]/);
      expect(victim.output).toContain('u{202e}txt.exe');
    } finally {
      await victim.close();
    }
  });
});
