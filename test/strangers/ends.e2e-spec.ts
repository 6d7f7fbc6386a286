import { describeIf } from '../support/needs.js';
import { PYTHON_CLIENTS } from '../support/python-clients.js';
import { describeEnds } from '../support/truth.js';
import { STRANGERS } from './support.js';

describeIf(...STRANGERS)('clients of Python', () => {
  describeEnds('python-ends', PYTHON_CLIENTS);
});
